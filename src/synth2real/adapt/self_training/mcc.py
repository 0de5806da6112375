"""MCC: predictions on the target that confuse no class with another."""

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
from ..shared.classes import needs_classes


def class_confusion(outputs: Tensor, temperature: float) -> Tensor:
    """Mean share of a class's mass that other classes hold, over a batch of raw outputs (N, C); 0 to 1 - 1 / C."""
    said = (outputs.float() / temperature).softmax(1)
    weights = 1 + torch.exp(-entropy(said.detach()))
    weights = weights / weights.mean()
    together = said.T @ (weights[:, None] * said)
    shares = together / together.sum(1, keepdim=True).clamp(min=1e-12)
    return 1 - shares.diagonal().mean()


@settings
class MCC(Objective):
    """Minimum class confusion; classes only.

    From the probabilities of a target batch it takes how much each pair of classes is held together, with plain samples
    weighing more, and lowers what lies off the diagonal. No critic, no second network: the cheapest of the good ones.

    Each class weighs alike whatever its share, so it bears an unequal balance well. It sharpens what the model already
    says: where most target predictions are wrong, or a batch holds few classes, it harms.

    References:
        Jin, Wang, Long & Wang (2020). Minimum Class Confusion for Versatile Domain Adaptation. ECCV. arXiv:1912.03699.

    Args:
        weight: of the confusion (1 in the paper).
        temperature: that the outputs are divided by before their softmax (2.5 in the paper).
    """

    weight: float = Field(default=1.0, ge=0)
    temperature: float = Field(default=2.5, gt=0)
    default_randomization: ClassVar[str | None] = "full"
    assumes_source_balance: ClassVar[bool] = False

    def refuse(self) -> None:
        needs_classes(self, self.task, "counts which classes are confused")

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.model(torch.cat([source.x, target.x])).split([len(source), len(target)])
        label = self.task.loss(known, source.y)
        confusion = class_confusion(unknown, self.temperature)
        yield Update(of=(self.model,), label=(1.0, label), confusion=(self.weight, confusion))
