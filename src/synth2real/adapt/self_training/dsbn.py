"""DSBN: one network for both domains, whose batch normalisation is each domain's own."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ...data.domains import Unlabelled
from ...networks.layers import Norm
from ...settings import settings
from ...training.loop import SourceBatch, TargetBatch
from ...training.model import Model
from ..shared.batches import choose, joined, need_batch_norm, split_norms
from .teacher import Teacher


@settings
class DSBN(Teacher):
    """Domain-specific batch normalisation, in a student that is taught by its own slow average.

    Statistics, scale and shift of every batch normalisation are kept twice, once a domain, and all other weights are
    shared: what is peculiar to a domain is taken out by its own branch. The target's branch learns from pseudo-labels,
    which is the paper's second stage; its first, any other method that gives the first labels, is here the teacher's
    rise from the source alone (`Teacher`). The target's branch is shipped.

    It harms as `Teacher` does; and as each branch has its domain's own mean, a class balance that differs between the
    domains is normalised away with it.

    References:
        Chang, You, Seo, Kwak & Han (2019). Domain-Specific Batch Normalization for Unsupervised Domain Adaptation.
        CVPR. arXiv:1906.03950.

    Args:
        norm: `batch`; no other has statistics to keep apart.
    """

    norm: Norm = "batch"
    least_batch: ClassVar[int] = 2
    adapts_extractor: ClassVar[bool] = True

    def refuse(self) -> None:
        need_batch_norm(self, "dsbn")

    def build(self, target: Unlabelled) -> None:
        split_norms(self.model)
        choose(self.model, "target")  # the teacher is copied from it, and only ever sees the target
        super().build(target)

    def shipped(self) -> Model:
        return joined(super().shipped())

    def outputs(self, source: SourceBatch, target: TargetBatch) -> tuple[Tensor, Tensor]:
        known = choose(self.model, "source")(source.x)
        return known, choose(self.model, "target")(target.x)
