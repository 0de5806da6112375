"""DSBN: one network for both domains, with separate batch normalisation for each domain."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ...data.domains import Unlabelled
from ...networks.layers import Norm
from ...networks.tuning import PretrainedNorm
from ...settings import settings
from ...training.loop import SourceBatch, TargetBatch
from ...training.model import Model
from ..shared.batch_norm import choose, joined, need_batch_norm, split_norms
from .teacher import Teacher


@settings
class DSBN(Teacher):
    """Domain-specific batch normalisation: separate normalisation layers for each domain, trained by self-training.

    Each batch normalisation has two branches, one for each domain, with separate statistics, scale and shift. All other
    weights are shared. Each branch removes the properties specific to its domain. The target branch learns from
    pseudo-labels of a slowly averaged teacher, which is the paper's second stage. In the paper, any other method gives
    the first labels in a first stage. Here the teacher starts when the source is learnt (`Teacher`). The final model
    uses the target branch.

    It reduces accuracy in the same cases as `Teacher`. Each branch also subtracts the mean of its own domain. If the
    class balance differs between the domains, this difference is normalised away.

    References:
        Chang, You, Seo, Kwak & Han (2019). Domain-Specific Batch Normalization for Unsupervised Domain Adaptation.
        CVPR. arXiv:1906.03950.

    Args:
        norm: must be `batch`; other normalisations have no statistics to separate.
        pretrained_norm: `trained`, as the statistics of a pretrained network that are kept are not separated.
    """

    norm: Norm = "batch"
    pretrained_norm: PretrainedNorm = "trained"
    least_batch: ClassVar[int] = 2
    adapts_features: ClassVar[bool] = True

    def refuse(self) -> None:
        super().refuse()
        need_batch_norm(self, "dsbn")

    def build(self, target: Unlabelled) -> None:
        split_norms(self.model)
        choose(self.model, "target")  # the teacher is a copy of it and receives target images only
        super().build(target)

    def shipped(self) -> Model:
        return joined(super().shipped())

    def source_model(self) -> Model:
        return choose(self.model, "source")

    def features(self, source: SourceBatch, target: TargetBatch) -> Tensor:
        known = choose(self.model, "source").features(source.x)
        return torch.cat([known, choose(self.model, "target").features(self.pseudo.student(source, target))])
