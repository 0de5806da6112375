"""Source only: the baseline that every way across the gap is measured against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ..settings import settings
from ..training.loop import Progress, SourceBatch, TargetBatch, Update
from .base import Objective


@settings
class SourceOnly(Objective):
    """Trains on the labelled source and never looks at the target."""

    soft_labels: ClassVar[bool] = True
    assumes_source_balance: ClassVar[bool] = False

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        yield Update(of=(self.model,), label=(1.0, self.task.loss(self.model(source.x), source.y)))
