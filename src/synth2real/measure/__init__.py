"""The gap between two domains, and checks of the data before training."""

from .data_checks import Findings, check
from .gap import Distance, Gap, measure_gap
from .priors import bbse, mlls

__all__ = ["Distance", "Findings", "Gap", "bbse", "check", "measure_gap", "mlls"]
