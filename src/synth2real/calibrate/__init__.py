"""System identification: which simulator settings look like reality?"""

from ..simulate import Simulator
from .base import Calibration
from .identification import Constraint, Identification, identify, sheet
from .posterior import Posterior
from .ranges import Space
from .search import Search

Calibrator = Search | Posterior
METHODS: dict[str, type[Calibrator]] = {"search": Search, "posterior": Posterior}
MANY = 20  # parameters from which on a search takes more trials than anybody has


def default_method(simulator: Simulator, parameters: tuple[str, ...] | None = None) -> str:
    """Name of the method that serves so many free parameters."""
    return "search" if len(Space.of(simulator, parameters).names) <= MANY else "posterior"


__all__ = [
    "METHODS",
    "Calibration",
    "Calibrator",
    "Constraint",
    "Identification",
    "Posterior",
    "Search",
    "default_method",
    "identify",
    "sheet",
]
