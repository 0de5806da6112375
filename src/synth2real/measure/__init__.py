"""The gap between two domains, checks of the data before training, and metrics of installed packages."""

from .data_checks import Findings, check
from .gap import Distance, Gap, measure_gap
from .priors import bbse, mlls

__all__ = ["Distance", "Findings", "Gap", "bbse", "check", "measure_gap", "mlls"]
