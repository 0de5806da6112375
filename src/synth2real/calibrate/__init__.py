"""System identification: which simulator settings look like reality?"""

from .search import Calibration, Search

METHODS: dict[str, type[Search]] = {"search": Search}

__all__ = ["METHODS", "Calibration", "Search"]
