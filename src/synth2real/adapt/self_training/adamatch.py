"""AdaMatch: consistency between weak and strong views, with distribution alignment and one setting for all data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...data.domains import Unlabelled
from ...settings import settings
from ...tasks import Classification
from ...training.collapse import CollapseWatch
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..shared.batch_norm import held, norms
from ..shared.distribution_alignment import Alignment, Prior, ToPrior
from ..shared.task_checks import needs_classes
from .base import SelfTrained


@settings
class AdaMatch(SelfTrained):
    """AdaMatch: pseudo-labels from weak views supervise strong views, with distribution alignment to the class prior.

    For classes only. The model predicts the clean target image, and the prediction is aligned with the source's class
    balance. Its class becomes the label of the randomized image if its confidence is high enough. The threshold is
    relative to the mean confidence on the source and therefore changes during the training. If the network has batch
    normalisation, the source logits are interpolated at random between those computed with the target in the batch and
    those computed without it.

    It reduces accuracy if the class balance differs between the domains and `target_prior` is wrong. `Teacher` takes
    labels from an average of the weights. AdaMatch takes them from the current student, so errors spread faster.

    Differences from the paper: the weight of the target loss rises after a burn-in (`BurnIn`) instead of from the first
    step, and a collapse stops the training (`CollapseWatch`). The prior is the balance of the source's labels, not the
    mean prediction for the source. As in the paper, the source losses of both views are added; the authors' code takes
    their mean.

    References:
        Berthelot, Roelofs, Sohn, Carlini & Kurakin (2022). AdaMatch: A Unified Approach to Semi-Supervised Learning and
        Domain Adaptation. ICLR. arXiv:2106.04732.

    Args:
        threshold: lowest confidence of a label that counts, as a share of the mean confidence on the clean source
            (0.9).
        target_prior, alignment: the prior that target labels are aligned with, and the kind of alignment; see
            `Teacher`.
        decay: as in `Objective` (0.999 in the paper).
        weight: weight of the target loss at full strength (1).
    """

    threshold: float = Field(default=0.9, gt=0, le=1)
    target_prior: Prior = "source"
    alignment: Alignment = "soft"
    decay: float = Field(default=0.999, ge=0, lt=1)
    weight: float = Field(default=1.0, ge=0)
    default_randomization: ClassVar[str | None] = "full"

    def refuse(self) -> None:
        needs_classes(self, self.task, "aligns class shares")

    def build(self, target: Unlabelled) -> None:
        super().build(target)
        assert isinstance(self.task, Classification)
        self.to_prior = ToPrior(self.task, self.target_prior, self.alignment)
        self.watch = CollapseWatch(self.model)
        self.networks |= {"to_prior": self.to_prior, "watch": self.watch}

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.outputs(source, target)
        weak, strong = unknown.chunk(2)
        label = self.task.loss(known, torch.cat([source.y, source.y]))
        with torch.no_grad():
            clean = known.chunk(2)[0]
            self.observe_source(known.chunk(2)[1], source.y, progress)
            self.observe_target(weak.softmax(1))
            self.to_prior.observe(clean, source.y, weak, progress)
            confidence, labels = self.to_prior(weak.log_softmax(1)).max(1)
            counts = (confidence >= self.threshold * clean.softmax(1).amax(1).mean()).float()
        pseudo = (counts * self.task.losses(strong, labels)).mean()
        # The weight is 2 because the paper adds the losses of both views.
        weight = self.weight * self.burn_in.weight(progress)
        yield Update(of=(self.model,), label=(2.0, label), pseudo=(weight, pseudo))

    def outputs(self, source: SourceBatch, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """Raw outputs for the source and for the target, (2 B, C) each: first the clean, then the randomized images."""
        views = torch.cat([source.clean, source.x])
        both = torch.cat([views, target.clean, target.x])
        known, unknown = self.model(both).split([2 * len(source), 2 * len(target)])
        if norms(self.model):
            with held(self.model):
                known = between(known, self.model(views))
        return known, unknown


def between(one: Tensor, other: Tensor) -> Tensor:
    """Random logit interpolation: each logit is sampled uniformly between the two tensors, (N, C) each."""
    return torch.lerp(other, one, torch.rand_like(one))
