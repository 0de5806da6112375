"""Source only: the baseline without adaptation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ..settings import settings
from ..training.loop import Progress, SourceBatch, TargetBatch, Update
from .base import Objective


@settings
class SourceOnly(Objective):
    """Trains on the labelled source and ignores the target: the baseline without adaptation."""

    uses_target: ClassVar[bool] = False
    soft_labels: ClassVar[bool] = True
    serves_maps: ClassVar[bool] = True
    assumes_source_balance: ClassVar[bool] = False

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        yield Update(of=(self.model,), label=(1.0, self.task.loss(self.model(source.x), source.y)))
