"""Segmentation: a class for each pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.domains import Labelled
from ..data.fitting import Fitting
from ..data.labels import IGNORED, Masks
from ..data.tiles.masks import WholeMasks, blended, by_image
from ..data.tiles.tiling import Tiling
from ..errors import InputError
from ..networks.dense import local_mlp
from ..transforms.mix import Mix, Mosaic
from .classification import aligned_classes
from .dense import DenseTask
from .metrics.masks import mask_metrics

SMOOTH = 1.0  # pixels added to both sides of a Dice coefficient, so that a class in no image of a batch costs nothing


@dataclass(frozen=True)
class Segmentation(DenseTask):
    """A class for each pixel of an image. Pixels with the label `IGNORED` are in neither losses nor metrics.

    The loss is the mean of the cross entropy over the pixels of an image, and 1 minus the Dice coefficient of the batch
    (Milletari et al. 2016), averaged over the classes: the cross entropy alone neglects small objects. Raw outputs are
    maps (N, C, h, w) of the resolution of the features; the loss enlarges them to that of the labels.

    Args:
        classes: class names, at least two. The first is the background.
        size: height and width in pixels of the images that the model takes.

    References:
        Milletari, Navab & Ahmadi (2016). V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
            Segmentation. 3DV. arXiv:1606.04797.
    """

    kind: ClassVar[str] = "segment"
    metric: ClassVar[str] = "mean_iou"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= len(self.classes) <= IGNORED:
            raise InputError(
                f"masks of {len(self.classes)} classes ({', '.join(self.classes[:5])}), expected 2 to {IGNORED}: a "
                "background and one or more others"
            )

    @classmethod
    def of(cls, source: Labelled) -> Self:
        if not isinstance(source.labels, Masks):
            found = f"the classes {', '.join(source.classes[:5])}" if source.classes else "number columns"
            raise InputError(
                f"the task {cls.kind} needs masks, found {found} for whole images. Put masks beside the images "
                "(NAME_mask.png), or in a folder masks/ beside images/"
            )
        return cls(source.classes, (source.shape[1], source.shape[2]))

    @property
    def metric_name(self) -> str:
        return "mean IoU"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def head(self, width: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
        """The layers from maps of features (N, width, h, w) to maps of outputs (N, C, h, w)."""
        return nn.Sequential(nn.Dropout2d(dropout), local_mlp(width, hidden, self.outputs))

    def losses(self, outputs: Tensor, labels: Masks | Tensor) -> Tensor:
        """See `Task.losses`. Labels are masks, or shares of the classes (N, C, H, W) float32, such as a teacher's."""
        shares, known = self.shares(labels)
        logits = enlarged(outputs, (shares.shape[2], shares.shape[3]))
        each = F.cross_entropy(logits, shares, reduction="none") * known
        entropy = each.sum((1, 2)) / known.sum((1, 2)).clamp(min=1)
        return entropy + 1 - dice(logits.softmax(1), shares, known[:, None]).mean()

    def shares(self, labels: Masks | Tensor) -> tuple[Tensor, Tensor]:
        """Shares of the classes (N, C, H, W) float32, and which pixels are known, (N, H, W) bool."""
        if isinstance(labels, Tensor):
            return labels, torch.ones_like(labels[:, 0], dtype=torch.bool)
        index = labels.tensor
        known = index != IGNORED
        return F.one_hot(index.where(known, 0).long(), self.outputs).movedim(-1, 1).float(), known

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Probability of each class at each point of the maps, (N, C, h, w) float32."""
        return outputs.float().softmax(1)

    def predict(self, outputs: Tensor) -> Tensor:
        """The most probable class of each pixel of the images that the model takes, (N, H, W) uint8."""
        return enlarged(outputs.float(), self.size).argmax(1).to(torch.uint8)

    def merged(self, outputs: Iterable[Tensor], fitting: Fitting | None, tiling: Tiling) -> list[Tensor]:
        """The most probable class of each pixel of each image, (H, W) uint8 each, see `blended`."""
        return [
            blended((enlarged(one[None].float(), self.size).softmax(1)[0] for one in tiles), tiling, image)
            for image, tiles in enumerate(by_image(outputs, tiling.counts.tolist()))
        ]

    def metrics(self, predictions: Tensor | Sequence[Tensor], labels: Masks | WholeMasks) -> dict[str, Any]:
        """See `metrics.masks.mask_metrics`. Predictions are (N, H, W) uint8, or (H, W) of each image."""
        return mask_metrics(predictions, labels, self.classes)

    def mix(self, labels: Masks, mix: Mix | Mosaic) -> Masks:
        return labels.mixed(mix)

    def align(self, evaluated: Labelled) -> Any:
        """Masks of another data set with indices of the classes of this task: `Masks`, or `WholeMasks` of images that
        are cut into tiles.

        Raises:
            InputError: the data set has no masks, or a class that is not in this task.
        """
        masks = evaluated.truth
        if not isinstance(masks, Masks | WholeMasks):
            raise InputError("expected masks to evaluate on, found labels of whole images")
        table = torch.full((IGNORED + 1,), IGNORED, dtype=torch.uint8)
        table[: len(evaluated.classes)] = aligned_classes(evaluated.classes, self.classes).to(torch.uint8)
        return masks.mapped(table)


def enlarged(outputs: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (N, C, h, w) at another resolution (H, W), bilinear."""
    if tuple(outputs.shape[2:]) == tuple(size):
        return outputs
    return F.interpolate(outputs, size, mode="bilinear", align_corners=False)


def dice(probabilities: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Dice coefficient of each class over a batch, (C,), in 0..1, from (N, C, H, W) each and `known` (N, 1, H, W)."""
    ours, theirs = (part * known for part in (probabilities, truth))
    common, all_of_both = (ours * theirs).sum((0, 2, 3)), (ours + theirs).sum((0, 2, 3))
    return (2 * common + SMOOTH) / (all_of_both + SMOOTH)
