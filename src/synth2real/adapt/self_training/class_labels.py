"""Labels of a teacher for classes: aligned with a prior, and only confident ones count."""

from __future__ import annotations

from torch import Tensor

from ...tasks import Classification
from ...training.collapse import CollapseWatch
from ...training.loop import Progress, SourceBatch, TargetBatch
from ...training.model import Model
from ..shared.distribution_alignment import Alignment, Prior, ToPrior
from .pseudo_labels import PseudoLabels


class ClassLabels(PseudoLabels):
    """The teacher's classes for clean target images, aligned with a prior of the target's classes (`ToPrior`).

    A label counts if its confidence is high relative to the student's confidence on the source batch. The predictions
    before the alignment show whether the teacher collapses (`CollapseWatch`): after an exact alignment, the labels of a
    teacher that predicts one class would look diverse.

    Args:
        model: the student.
        prior, alignment: see `ToPrior`.
        threshold: lowest confidence of a label that counts, as a share of the mean confidence on the source batch.
    """

    def __init__(self, model: Model, prior: Prior, alignment: Alignment, threshold: float) -> None:
        super().__init__(model.task)
        assert isinstance(model.task, Classification)
        self.threshold = threshold
        self.to_prior = ToPrior(model.task, prior, alignment)
        self.watch: CollapseWatch = CollapseWatch(model)
        self.networks = {"to_prior": self.to_prior, "watch": self.watch}

    def observe(self, known: Tensor, source: SourceBatch, unknown: Tensor, progress: Progress) -> None:
        """Update the estimate of the target's prior."""
        self.to_prior.observe(known, source.y, unknown, progress)

    def labels(self, teacher: Model, known: Tensor, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """The teacher's classes (B,) int64 for clean target images; and 1.0 if confident enough, else 0.0."""
        said = teacher(target.clean).log_softmax(1)
        self.watch.observe(said.exp())
        confidence, labels = self.to_prior(said).max(1)
        least = self.threshold * known.softmax(1).amax(1).mean()
        return labels, (confidence >= least).float()
