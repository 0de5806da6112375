"""AdaBN: a model trained on the source, with the batch normalisation statistics of the target."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import ClassVar, Literal

from ...data.domains import Unlabelled
from ...networks.layers import Norm
from ...networks.tuning import PretrainedNorm
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ...training.model import Model
from ..base import Objective
from ..shared.batch_norm import need_batch_norm, take_statistics


@settings
class AdaBN(Objective):
    """Adaptive batch normalisation: replaces the statistics of a source-trained model by those of the target.

    Supports all tasks. It adds no loss term, no parameter and no training. The weights of a layer represent the task.
    The mean and deviation of its inputs represent the domain. After the training on the source, each batch
    normalisation therefore gets the statistics of the target.

    It corrects a shift of the mean and contrast of each feature map, and no other shift. It reduces accuracy if the
    class balance differs between the domains, or, for values, their distribution. The target's statistics then also
    depend on its labels (from narrowly rendered to real pupils the error rose from 1.7 px to 2.0 px).

    References:
        Li, Wang, Shi, Hou & Liu (2016, 2018). Adaptive Batch Normalization for practical domain adaptation. Pattern
        Recognition 80. arXiv:1603.04779.

    Args:
        statistics_by: how the target's statistics are computed after the training. `layers` computes one layer after
            the other; each layer receives the outputs of the layers before it with their new statistics. `batches`
            computes all layers in one pass, in which each batch is normalised by its own statistics.
        norm: must be `batch`; other normalisations have no statistics to replace.
        pretrained_norm: `trained`, as the statistics of a pretrained network that are kept are not replaced.
    """

    uses_target: ClassVar[bool] = False  # its steps are of the source alone
    serves_maps: ClassVar[bool] = True
    least_batch: ClassVar[int] = 2
    adapts_features: ClassVar[bool] = True

    statistics_by: Literal["layers", "batches"] = "layers"
    norm: Norm = "batch"
    pretrained_norm: PretrainedNorm = "trained"

    def refuse(self) -> None:
        need_batch_norm(self, "adabn")

    def build(self, target: Unlabelled) -> None:
        self.target = target

    def shipped(self) -> Model:
        adapted = copy.deepcopy(super().shipped())
        take_statistics(adapted, adapted.inputs_of(self.target), self.statistics_by)
        return adapted

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        yield Update(of=(self.model,), label=(1.0, self.task.loss(self.model(source.x), source.y)))
