"""Labels of a teacher for masks: soft, warped like the image, weighed by the share of confident pixels."""

from __future__ import annotations

from torch import Tensor

from ...tasks import Segmentation
from ...tasks.segmentation import enlarged
from ...training.collapse import CollapseWatch
from ...training.loop import TargetBatch
from ...training.model import Model
from .pseudo_labels import PseudoLabels


class MaskLabels(PseudoLabels):
    """The teacher's probabilities of each pixel of clean target images, moved by the warp of the student's images.

    An image weighs as much as the share of its pixels whose most probable class is certain, as in DAFormer: where the
    teacher is in doubt about much of an image, the rest is likely to be wrong, too. The watch sees each point of the
    maps as a sample (`CollapseWatch`).

    Args:
        model: the student.
        threshold: probability from which a pixel is certain.

    References:
        Hoyer, Dai & Van Gool (2022). DAFormer. CVPR. arXiv:2111.14887.
    """

    def __init__(self, model: Model, threshold: float) -> None:
        super().__init__(model.task)
        assert isinstance(model.task, Segmentation)
        self.size, self.threshold = model.task.size, threshold
        self.watch: CollapseWatch = CollapseWatch(model)
        self.networks = {"watch": self.watch}

    def labels(self, teacher: Model, known: Tensor, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """The teacher's shares of the classes (B, C, H, W) for the student's images, and a weight (B,) in 0..1."""
        said = teacher(target.clean).softmax(1)
        self.watch.observe(said)
        weights = (said.amax(1) >= self.threshold).float().mean((1, 2))
        shares = enlarged(said, self.size)
        return (shares if target.warp is None else target.warp.image(shares)), weights
