"""How far two domains lie apart, and what their data look like before any training."""

from .data_checks import Findings, check
from .gap import Distance, Gap, measure_gap

__all__ = ["Distance", "Findings", "Gap", "check", "measure_gap"]
