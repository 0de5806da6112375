"""The gap between two domains, and checks of the data before training."""

from .data_checks import Findings, check
from .gap import Distance, Gap, measure_gap

__all__ = ["Distance", "Findings", "Gap", "check", "measure_gap"]
