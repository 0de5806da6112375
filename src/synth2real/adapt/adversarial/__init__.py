"""Adversarial adaptation: a critic classifies the features, and the features are trained to make it fail."""

from .adda import ADDA
from .cdan import CDAN
from .dann import DANN
from .mcd import MCD
from .mdd import MDD

__all__ = ["ADDA", "CDAN", "DANN", "MCD", "MDD"]
