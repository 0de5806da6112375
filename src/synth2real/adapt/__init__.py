"""Domain adaptation of the model: one method a file, each an `Objective`; `SOURCE_FREE` ones adapt a trained model."""

from .base import Learner, Objective
from .dann import DANN
from .shot import SHOT
from .source_free import SourceFree
from .source_only import SourceOnly
from .teacher import Teacher
from .tent import TENT

METHODS: dict[str, type[Objective]] = {"source-only": SourceOnly, "dann": DANN, "teacher": Teacher}
SOURCE_FREE: dict[str, type[SourceFree]] = {method.name: method for method in (SHOT, TENT)}

__all__ = [
    "DANN",
    "METHODS",
    "SHOT",
    "SOURCE_FREE",
    "TENT",
    "Learner",
    "Objective",
    "SourceFree",
    "SourceOnly",
    "Teacher",
]
