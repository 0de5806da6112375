"""AdaMatch: consistency under randomization, aligned in distribution, with one set of settings for every data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...data.domains import Unlabelled
from ...settings import settings
from ...tasks import Classification
from ...training.averaging import follow, frozen, half_cosine
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ...training.model import Model
from ..base import Objective
from ..shared.alignment import Alignment, Prior, ToPrior
from ..shared.batches import held, norms
from ..shared.classes import needs_classes


@settings
class AdaMatch(Objective):
    """Semi-supervised learning that bears a gap: weak and strong views of both domains.

    The model's own answer to the clean target image, aligned with the source's class balance, is the label of the
    randomized one, where it is confident enough: relative to the mean confidence on the source, which falls and rises
    with the training. Where batch statistics tie the samples of a batch together, the source's logits are drawn at
    random between those computed with the target in the batch and those without it.

    Classes only. It harms where the class balance differs between the domains and `target_prior` says otherwise; and
    unlike `Teacher` it believes the student of this very step, so that an error spreads faster.

    References:
        Berthelot, Roelofs, Sohn, Carlini & Kurakin (2022). AdaMatch: A Unified Approach to Semi-Supervised Learning and
        Domain Adaptation. ICLR. arXiv:2106.04732.

    Args:
        threshold: least confidence of a label that counts, as a share of the mean confidence on the clean source (0.9).
        target_prior, alignment: what the target's labels are aligned with, and how; see `Teacher`.
        decay: of the average of the weights that is shipped, a step (0.999).
        weight: of the target's loss at full strength (1).
    """

    threshold: float = Field(default=0.9, gt=0, le=1)
    target_prior: Prior = "source"
    alignment: Alignment = "soft"
    decay: float = Field(default=0.999, gt=0, lt=1)
    weight: float = Field(default=1.0, ge=0)
    default_randomization: ClassVar[str | None] = "full"

    def refuse(self) -> None:
        needs_classes(self, self.task, "aligns their shares")

    def build(self, target: Unlabelled) -> None:
        assert isinstance(self.task, Classification)
        self.average = frozen(self.model)
        self.to_prior = ToPrior(self.task, self.target_prior, self.alignment)
        self.networks |= {"average": self.average, "to_prior": self.to_prior}

    def shipped(self) -> Model:
        return self.average

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.outputs(source, target)
        weak, strong = unknown.chunk(2)
        label = self.task.loss(known, torch.cat([source.y, source.y]))
        with torch.no_grad():
            sure = known.chunk(2)[0]
            self.to_prior.observe(sure, source.y, weak, progress)
            labels = self.to_prior(weak.log_softmax(1))
            counts = (labels.amax(1) >= self.threshold * sure.softmax(1).amax(1).mean()).float()
        pseudo = -(counts * (labels * strong.log_softmax(1)).sum(1)).mean()
        # Twice, as the paper adds the losses of both views.
        yield Update(of=(self.model,), label=(2.0, label), pseudo=(self.weight * half_cosine(progress), pseudo))
        follow(self.average, self.model, self.decay, progress)

    def outputs(self, source: SourceBatch, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """Raw outputs for the source and for the target, (2 B, C) each: the clean images, then the randomized."""
        views = torch.cat([source.clean, source.x])
        both = torch.cat([views, target.clean, target.x])
        known, unknown = self.model(both).split([2 * len(source), 2 * len(target)])
        if norms(self.model):
            with held(self.model):
                known = between(known, self.model(views))
        return known, unknown


def between(one: Tensor, other: Tensor) -> Tensor:
    """Each logit drawn uniformly between both tensors, (N, C) each: the random logit interpolation."""
    return torch.lerp(other, one, torch.rand_like(one))
