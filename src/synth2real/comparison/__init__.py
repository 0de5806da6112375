"""Comparison of many routes: trains them within a budget and chooses one without real labels."""

from .candidates import RouteCandidate
from .comparison import Comparison, compare
from .evaluation import Trial
from .halving import Plan
from .named_routes import default_routes, read_routes
from .pool import Aggregate

__all__ = [
    "Aggregate",
    "Comparison",
    "Plan",
    "RouteCandidate",
    "Trial",
    "compare",
    "default_routes",
    "read_routes",
]
