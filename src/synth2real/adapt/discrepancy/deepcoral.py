"""Deep CORAL: training minimises the distance between the feature covariances of both domains."""

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
    """Deep correlation alignment: minimises the distance between the feature covariances of the two domains.

    Supports all tasks. The loss is the squared distance of the two covariance matrices, (1 / 4 F^2) ||Cs - Ct||^2.
    Means are not compared. Difference from the paper: the paper uses the outputs of the last layer. Here the features
    are used, which serve values as well as classes.

    It rarely harms and rarely closes a wide gap, because second moments describe little of it. The loss falls with the
    scale of the features, so a network can reduce it by shrinking the features instead of aligning them.

    References:
        Sun & Saenko (2016). Deep CORAL: Correlation Alignment for Deep Domain Adaptation. arXiv:1607.01719.

    Args:
        weight: weight of the CORAL loss. The paper sets it so that both losses are about equal at the end.
    """

    weight: float = Field(default=10.0, ge=0)
    default_randomization: ClassVar[str | None] = "full"
    adapts_features: ClassVar[bool] = True
    least_batch: ClassVar[int] = 2

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.model.features(torch.cat([source.x, target.x])).split([len(source), len(target)])
        label = self.task.loss(self.model.head(known), source.y)
        yield Update(of=(self.model,), label=(1.0, label), coral=(self.weight, coral(known, unknown)))
