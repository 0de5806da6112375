"""System identification: which simulator settings look like reality?"""

from .base import Calibration
from .identification import Constraint, Identification, identify, sheet
from .posterior import Posterior
from .search import Search

Calibrator = Search | Posterior
METHODS: dict[str, type[Calibrator]] = {"posterior": Posterior, "search": Search}

__all__ = [
    "METHODS",
    "Calibration",
    "Calibrator",
    "Constraint",
    "Identification",
    "Posterior",
    "Search",
    "identify",
    "sheet",
]
