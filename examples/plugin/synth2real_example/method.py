"""Mean alignment: training minimises the distance between the mean features of both domains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field

from synth2real.adapt import Objective
from synth2real.settings import settings
from synth2real.training.loop import Progress, SourceBatch, TargetBatch, Update


@settings
class MeanAlignment(Objective):
    """Mean alignment: minimises the squared distance between the mean features of the two domains.

    Supports all tasks. Only the first moment is compared, so that it closes little more than a shift of the features.

    Args:
        weight: weight of the distance.
        ramp: whether the weight grows from 0 to its value during the training.
    """

    weight: float = Field(default=1.0, ge=0)
    ramp: bool = True
    default_randomization: ClassVar[str | None] = "full"  # where the user names none
    adapts_features: ClassVar[bool] = True  # so that a frozen network without a bottleneck is refused

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        both = self.model.features(torch.cat([source.x, target.x]))
        known, unknown = both.split([len(source), len(target)])
        label = self.task.loss(self.model.head(known), source.y)
        distance = (known.mean(0) - unknown.mean(0)).square().sum()
        weight = self.weight * (progress.fraction if self.ramp else 1.0)
        yield Update(of=(self.model,), label=(1.0, label), mean=(weight, distance))
