"""System identification: finds the simulator settings whose images look like the real ones."""

from collections.abc import Iterable
from dataclasses import fields

from .base import Calibration, Calibrator
from .combinations import Combination
from .given import with_given
from .identification import Constraint, Identification, identify, sheet
from .npe import NPE
from .posterior import Posterior
from .search import Search

METHODS: dict[str, type[Posterior] | type[NPE] | type[Search]] = {
    method.name: method for method in (Posterior, NPE, Search)
}


def method_of(settings: Iterable[str]) -> str:
    """Name of the method with these settings: `search` if a setting belongs only to it, and else `posterior`."""
    posterior, search = ({field.name for field in fields(method)} for method in (Posterior, Search))
    return "search" if (search - posterior) & set(settings) else "posterior"


__all__ = [
    "METHODS",
    "NPE",
    "Calibration",
    "Calibrator",
    "Combination",
    "Constraint",
    "Identification",
    "Posterior",
    "Search",
    "identify",
    "method_of",
    "sheet",
    "with_given",
]
