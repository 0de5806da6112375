"""Explicit mappings of features, and the closed-form classifiers that are trained on mapped features."""

from .base import FeatureMapping
from .closed_form_self_training import SelfTraining
from .msda import MSDA
from .sda import SDA
from .skada import TCA, CoralMapping, OTMapping, SubspaceAlignment
from .svm import SVM

__all__ = [
    "MSDA",
    "SDA",
    "SVM",
    "TCA",
    "CoralMapping",
    "FeatureMapping",
    "OTMapping",
    "SelfTraining",
    "SubspaceAlignment",
]
