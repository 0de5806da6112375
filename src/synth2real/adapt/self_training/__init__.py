"""Self-training: the model learns from its own predictions on the target."""

from .adamatch import AdaMatch
from .dsbn import DSBN
from .mcc import MCC
from .mic import MIC
from .teacher import Teacher

__all__ = ["DSBN", "MCC", "MIC", "AdaMatch", "Teacher"]
