"""MCC: training minimises the confusion between classes in the predictions on the target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...measure.discrepancies import entropy
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..base import Objective
from ..shared.task_checks import needs_classes


def class_confusion(outputs: Tensor, temperature: float) -> Tensor:
    """Mean share of a class's probability mass in other classes, for raw outputs (N, C); in 0..1 - 1 / C."""
    predicted = (outputs.float() / temperature).softmax(1)
    weights = 1 + torch.exp(-entropy(predicted.detach()))
    weights = weights / weights.mean()
    together = predicted.T @ (weights[:, None] * predicted)
    shares = together / together.sum(1, keepdim=True).clamp(min=1e-12)
    return 1 - shares.diagonal().mean()


@settings
class MCC(Objective):
    """Minimum class confusion: minimises the confusion between pairs of classes in the predictions on a target batch.

    For classes only. The method computes from the predicted probabilities of a target batch how strongly each pair of
    classes is confused. Confident samples weigh more. The loss is the confusion off the diagonal. The method needs no
    critic and no second network, so it is the cheapest of the methods that work well.

    Each class has the same weight whatever its share, so the method tolerates an unequal class balance. It makes the
    model's current predictions more confident. It therefore harms if most target predictions are wrong, or if a batch
    contains few classes.

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

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.model(torch.cat([source.x, target.x])).split([len(source), len(target)])
        label = self.task.loss(known, source.y)
        confusion = class_confusion(unknown, self.temperature)
        yield Update(of=(self.model,), label=(1.0, label), confusion=(self.weight, confusion))
