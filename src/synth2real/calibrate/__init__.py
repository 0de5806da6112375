"""System identification: which simulator settings look like reality?"""

from .identification import Constraint, Identification, identify, sheet
from .search import Calibration, Search

METHODS: dict[str, type[Search]] = {"search": Search}

__all__ = ["METHODS", "Calibration", "Constraint", "Identification", "Search", "identify", "sheet"]
