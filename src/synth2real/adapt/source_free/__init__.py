"""Source-free adaptation: a trained model adapts to the target without source data."""

from .base import SourceFree
from .shot import SHOT
from .tent import TENT

__all__ = ["SHOT", "TENT", "SourceFree"]
