"""AdaBN: a model learnt on the source, with the batch statistics of the target."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import ClassVar, Literal

from ...data.domains import Unlabelled
from ...networks.layers import Norm
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ...training.model import Model
from ..base import Objective
from ..shared.batches import need_batch_norm, take_statistics


@settings
class AdaBN(Objective):
    """Adaptive batch normalisation: no term, no parameter and no training beyond the source's.

    What a layer's weights learn belongs to the task, its mean and deviation to the domain: once the source is learnt,
    each batch normalisation gets the statistics of the target. Serves every task.

    It mends a shift of each map's mean and contrast, and no other. It harms where the class balance differs between the
    domains, or, for values, where they lie: the target's statistics then tell of its labels, too (from narrowly
    rendered to real pupils the error rose from 1.7 px to 2.0).

    References:
        Li, Wang, Shi, Hou & Liu (2016, 2018). Adaptive Batch Normalization for practical domain adaptation. Pattern
        Recognition 80. arXiv:1603.04779.

    Args:
        statistics_by: how the target's statistics are taken once trained: `layers`, one layer after the other, each on what the
            layers before it give with their new statistics; `batches`, all in one pass, in which each batch is
            normalised by its own.
        norm: `batch`; no other has statistics to replace.
    """

    least_batch: ClassVar[int] = 2
    adapts_extractor: ClassVar[bool] = True

    statistics_by: Literal["layers", "batches"] = "layers"
    norm: Norm = "batch"

    def refuse(self) -> None:
        need_batch_norm(self, "adabn")

    def build(self, target: Unlabelled) -> None:
        self.target = target

    def shipped(self) -> Model:
        adapted = copy.deepcopy(self.model)
        take_statistics(adapted, self.target.inputs, self.statistics_by)
        return adapted

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        yield Update(of=(self.model,), label=(1.0, self.task.loss(self.model(source.x), source.y)))
