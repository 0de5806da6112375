"""The training loop, the model that it trains, and the hardware that it runs on."""

from .correction import Correction, correct
from .ensemble import Ensemble
from .hardware import Hardware
from .loop import Algorithm, Loop, Progress, SourceBatch, TargetBatch, Trainer, Update
from .mapping import Mapping
from .model import Model, Predictions
from .saved_model import load_model

__all__ = [
    "Algorithm",
    "Correction",
    "Ensemble",
    "Hardware",
    "Loop",
    "Mapping",
    "Model",
    "Predictions",
    "Progress",
    "SourceBatch",
    "TargetBatch",
    "Trainer",
    "Update",
    "correct",
    "load_model",
]
