"""Domain adaptation of the model: one method a file, each an `Objective`, or a `FeatureMapping` before one."""

from .base import Objective
from .dann import DANN
from .features import FeatureMapping
from .msda import MSDA
from .sda import SDA
from .self_training import SelfTraining
from .skada import TCA, CoralMapping, OTMapping, SubspaceAlignment
from .source_only import SourceOnly
from .svm import SVM
from .teacher import Teacher

# What the loop trains, on images and on features.
METHODS: dict[str, type[Objective]] = {"source-only": SourceOnly, "dann": DANN, "teacher": Teacher}
# What stands on mapped features.
OBJECTIVES: dict[str, type[Objective]] = {**METHODS, "svm": SVM, "self-training": SelfTraining}
MAPPINGS: dict[str, type[FeatureMapping]] = {
    mapping.name: mapping for mapping in (MSDA, SDA, CoralMapping, SubspaceAlignment, TCA, OTMapping)
}

__all__ = [
    "DANN",
    "MAPPINGS",
    "METHODS",
    "MSDA",
    "OBJECTIVES",
    "SDA",
    "SVM",
    "TCA",
    "CoralMapping",
    "FeatureMapping",
    "OTMapping",
    "Objective",
    "SelfTraining",
    "SourceOnly",
    "SubspaceAlignment",
    "Teacher",
]
