"""Adversarial adaptation: a critic judges the features, and the features learn to deceive it."""

from .adda import ADDA
from .cdan import CDAN
from .dann import DANN
from .mcd import MCD
from .mdd import MDD

__all__ = ["ADDA", "CDAN", "DANN", "MCD", "MDD"]
