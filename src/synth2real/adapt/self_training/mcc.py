"""MCC: training minimises the confusion between classes in the predictions on the target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...data.domains import Unlabelled
from ...measure.discrepancies import entropy
from ...settings import settings
from ...training.collapse import CollapseWatch
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..shared.task_checks import needs_classes
from .base import SelfTrained


def class_confusion(outputs: Tensor, temperature: float) -> Tensor:
    """Mean share of a class's probability mass in other classes, for raw outputs (N, C); in 0..1 - 1 / C."""
    predicted = (outputs.float() / temperature).softmax(1)
    weights = 1 + torch.exp(-entropy(predicted.detach()))
    weights = weights / weights.mean()
    together = predicted.T @ (weights[:, None] * predicted)
    shares = together / together.sum(1, keepdim=True).clamp(min=1e-12)
    return 1 - shares.diagonal().mean()


@settings
class MCC(SelfTrained):
    """Minimum class confusion: minimises the confusion between pairs of classes in the predictions on a target batch.

    For classes only. The method computes from the predicted probabilities of a target batch how strongly each pair of
    classes is confused. Confident samples weigh more. The loss is the confusion off the diagonal. The method needs no
    critic and no second network, so it is the cheapest of the methods that work well.

    Each class has the same weight whatever its share, so the method tolerates an unequal class balance. It makes the
    model's current predictions more confident. It therefore harms if most target predictions are wrong, or if a batch
    contains few classes.

    Difference from the paper: the weight rises after a burn-in (`BurnIn`), since the first predictions are wrong. From
    rendered digits to handwriting, accuracy after 500 steps was 0.87 instead of 0.77; from MNIST to USPS after 300
    steps it was 0.90 instead of 0.92 (one seed). A collapse stops the training (`CollapseWatch`).

    References:
        Jin, Wang, Long & Wang (2020). Minimum Class Confusion for Versatile Domain Adaptation. ECCV. arXiv:1912.03699.

    Args:
        weight: weight of the confusion (1 in the paper).
        temperature: divides the outputs before the softmax (2.5 in the paper).
    """

    weight: float = Field(default=1.0, ge=0)
    temperature: float = Field(default=2.5, gt=0)
    default_randomization: ClassVar[str | None] = "full"
    assumes_source_balance: ClassVar[bool] = False

    def refuse(self) -> None:
        needs_classes(self, self.task, "measures which classes are confused")

    def build(self, target: Unlabelled) -> None:
        super().build(target)
        self.networks["watch"] = self.watch = CollapseWatch(self.model)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.model(torch.cat([source.x, target.x])).split([len(source), len(target)])
        self.observe_source(known, source.y, progress)
        self.observe_target(unknown.softmax(1))
        label = self.task.loss(known, source.y)
        confusion = class_confusion(unknown, self.temperature)
        weight = self.weight * self.burn_in.weight(progress)
        yield Update(of=(self.model,), label=(1.0, label), confusion=(weight, confusion))
