"""A route: one choice from each way across the gap, run in order; and what a run leaves on disk."""

from . import realism
from .route import Budget, Route, Run
from .run_folder import RunFolder

__all__ = ["Budget", "Route", "Run", "RunFolder", "realism"]
