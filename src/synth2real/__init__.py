"""Train on synthetic data, work on real data."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import adapt, aggregate, calibrate, estimates, randomize, realism, refine, simulate, tasks, validators
    from .comparison import Comparison, compare
    from .domains import Labelled, Unlabelled
    from .errors import InputError, TrainingDiverged
    from .gap import Gap, measure_gap
    from .loading import load, load_unlabelled
    from .model import Ensemble, Model, Predictions, load_model
    from .route import Budget, Route, Run
    from .several import join

__all__ = [
    "Budget",
    "Comparison",
    "Ensemble",
    "Gap",
    "InputError",
    "Labelled",
    "Model",
    "Predictions",
    "Route",
    "Run",
    "TrainingDiverged",
    "Unlabelled",
    "adapt",
    "aggregate",
    "calibrate",
    "compare",
    "estimates",
    "join",
    "load",
    "load_model",
    "load_unlabelled",
    "measure_gap",
    "randomize",
    "realism",
    "refine",
    "simulate",
    "tasks",
    "validators",
]

_HOMES = {
    "comparison": ("Comparison", "compare"),
    "domains": ("Labelled", "Unlabelled"),
    "errors": ("InputError", "TrainingDiverged"),
    "gap": ("Gap", "measure_gap"),
    "loading": ("load", "load_unlabelled"),
    "model": ("Ensemble", "Model", "Predictions", "load_model"),
    "route": ("Budget", "Route", "Run"),
    "several": ("join",),
}


def __getattr__(name: str) -> Any:
    # A public name is imported when it is first asked for, so that the command line starts without torch.
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    home = next((home for home, names in _HOMES.items() if name in names), None)
    value = import_module(f".{name}", __name__) if home is None else getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value
