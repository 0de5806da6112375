"""Routes: one method for each stage, run in order; and the files that a run writes."""

from . import realism
from .route import Budget, Route, Run
from .run_folder import RunFolder

__all__ = ["Budget", "Route", "Run", "RunFolder", "realism"]
