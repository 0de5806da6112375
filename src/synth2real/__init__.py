"""Train on synthetic data, work on real data.

A *route* is at most one method for each stage: calibrate, widen, randomize, refine, adapt. `Route` runs one of them,
`compare` trains several and chooses one without real labels.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import adapt, calibrate, randomize, refine, simulate, tasks
    from .comparison import Comparison, compare
    from .data import FewLabels, Labelled, Unlabelled, join, load, load_few_labels, load_unlabelled
    from .errors import InputError, TrainingDiverged
    from .measure import Gap, measure_gap
    from .route import Budget, Route, Run, realism
    from .select import aggregate, estimates, validators
    from .training import Correction, Ensemble, Model, Predictions, correct, load_model

__all__ = [
    "Budget",
    "Comparison",
    "Correction",
    "Ensemble",
    "FewLabels",
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
    "correct",
    "estimates",
    "join",
    "load",
    "load_few_labels",
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
    "data": ("FewLabels", "Labelled", "Unlabelled", "join", "load", "load_few_labels", "load_unlabelled"),
    "errors": ("InputError", "TrainingDiverged"),
    "measure": ("Gap", "measure_gap"),
    "route": ("Budget", "Route", "Run", "realism"),
    "select": ("aggregate", "estimates", "validators"),
    "training": ("Correction", "Ensemble", "Model", "Predictions", "correct", "load_model"),
}


def __getattr__(name: str) -> Any:
    # A public name is imported when it is first asked for, so that the command line starts without torch.
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    home = next((home for home, names in _HOMES.items() if name in names), None)
    value = import_module(f".{name}", __name__) if home is None else getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value
