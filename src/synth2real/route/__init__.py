"""Routes: one method for each stage, run in order; and the files that a run writes."""

from . import realism
from .route import STAGES, Route, default_task
from .run import Budget, Run, default_steps
from .run_folder import RunFolder, read_settings

__all__ = [
    "STAGES",
    "Budget",
    "Route",
    "Run",
    "RunFolder",
    "default_steps",
    "default_task",
    "read_settings",
    "realism",
]
