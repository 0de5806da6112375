"""Deep CORAL: covariances of the features made equal in both domains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field

from ...measure.discrepancies import coral
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..base import Objective


@settings
class DeepCORAL(Objective):
    """Deep correlation alignment, for every task.

    The loss is the squared distance of the two domains' covariance matrices of features, (1 / 4 F^2) ||Cs - Ct||^2.
    Means are not compared. The paper takes the outputs of its last layer; here it is the features, which serve values
    as well as classes.

    Hardly ever harms, and seldom closes a wide gap: second moments say little of it. The scale of the loss falls with
    the features' own, so that a network may shrink them in place of aligning them.

    References:
        Sun & Saenko (2016). Deep CORAL: Correlation Alignment for Deep Domain Adaptation. arXiv:1607.01719.

    Args:
        weight: of the CORAL loss. The paper sets it so that both losses end about equal.
    """

    weight: float = Field(default=10.0, ge=0)
    default_randomization: ClassVar[str | None] = "full"
    least_batch: ClassVar[int] = 2

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.model.features(torch.cat([source.x, target.x])).split([len(source), len(target)])
        label = self.task.loss(self.model.head(known), source.y)
        yield Update(of=(self.model,), label=(1.0, label), coral=(self.weight, coral(known, unknown)))
