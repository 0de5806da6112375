"""Code that several families of adaptation share, from batch normalisation to the fit of the source."""

from .batch_norm import DomainNorm, need_batch_norm, split_norms, take_statistics
from .distribution_alignment import ExactAlignment, SoftAlignment, ToPrior
from .reversal import Reversal, domain_loss
from .task_checks import needs_classes

__all__ = [
    "DomainNorm",
    "ExactAlignment",
    "Reversal",
    "SoftAlignment",
    "ToPrior",
    "domain_loss",
    "need_batch_norm",
    "needs_classes",
    "split_norms",
    "take_statistics",
]
