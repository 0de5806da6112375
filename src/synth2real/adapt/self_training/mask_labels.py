"""Labels of a teacher for masks: soft, warped like the image, weighed by the share of confident pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from ...data.labels import IGNORED, Masks
from ...tasks import Segmentation
from ...tasks.segmentation import enlarged
from ...training.collapse import CollapseWatch
from ...training.loop import SourceBatch, TargetBatch
from ...training.model import Model
from ...transforms.mix import ClassMix
from .pseudo_labels import PseudoLabels

PART = 256  # masks that are counted at once


class MaskLabels(PseudoLabels):
    """The teacher's probabilities of each pixel of clean target images, moved by the warp of the student's images.

    An image weighs as much as the share of its pixels whose most probable class is certain, as in DAFormer: where the
    teacher is in doubt about much of an image, the rest is likely to be wrong, too. The watch sees each point of the
    maps as a sample (`CollapseWatch`).

    Args:
        model: the student.
        threshold: probability from which a pixel is certain.
        paste: share of the images onto which half of the classes of a source image are pasted, with their labels.

    References:
        Tranheden, Olsson, Pinto & Svensson (2021). DACS. WACV. arXiv:2007.08702 (pasting).
        Hoyer, Dai & Van Gool (2022). DAFormer. CVPR. arXiv:2111.14887.
    """

    def __init__(self, model: Model, threshold: float, paste: float = 0.0) -> None:
        super().__init__(model.task)
        assert isinstance(model.task, Segmentation)
        self.task: Segmentation = model.task
        self.size, self.threshold, self.paste = model.task.size, threshold, paste
        self.pasted: tuple[ClassMix, Tensor] | None = None  # onto the latest batch: the regions and their labels
        self.watch: CollapseWatch = CollapseWatch(model)
        self.networks = {"watch": self.watch}

    def student(self, source: SourceBatch, target: TargetBatch) -> Tensor:
        """The target images (B, C, H, W) of the student, with what is pasted onto them."""
        count = min(len(source), len(target))
        if not self.paste or not count:
            return target.x
        masks = source.y.tensor[:count]
        regions = ClassMix.sample(masks, IGNORED, self.paste)
        shares, _ = self.task.shares(Masks(masks))
        self.pasted = regions, shares
        return torch.cat([regions.paste(source.x[:count], target.x[:count]), target.x[count:]])

    def labels(self, teacher: Model, known: Tensor, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """The teacher's shares of the classes (B, C, H, W) for the student's images, and a weight (B,) in 0..1."""
        said = teacher(target.clean).softmax(1)
        self.watch.observe(said)
        weights = (said.amax(1) >= self.threshold).float().mean((1, 2))
        shares = enlarged(said, self.size)
        shares = shares if target.warp is None else target.warp.image(shares)
        if self.pasted is not None:
            regions, ours = self.pasted
            shares = torch.cat([regions.paste(ours, shares[: len(ours)]), shares[len(ours) :]])
        return shares, weights


def by_rare_classes(masks: Masks, classes: int, temperature: float) -> Tensor:
    """Weight (N,) with which each image is drawn, so that rare classes come more often (DAFormer).

    A class of frequency f, its share of all pixels, is drawn with a probability in proportion to exp((1 - f) / T), and
    then an image that has it.

    Args:
        temperature: T.
    """
    counts = torch.cat([_counts(masks[part], classes) for part in torch.arange(len(masks)).split(PART)])
    share = counts.sum(0).double() / counts.sum()
    drawn = ((1 - share) / temperature).softmax(0)
    has = (counts > 0).double()
    return (has * (drawn / has.sum(0).clamp(min=1))).sum(1)


def _counts(masks: Masks, classes: int) -> Tensor:
    """Pixels of each class in each mask, (B, C) int64."""
    index = masks.tensor.flatten(1).long()
    found = torch.zeros(len(index), IGNORED + 1, dtype=torch.int64)
    return found.scatter_add_(1, index, torch.ones_like(index))[:, :classes]
