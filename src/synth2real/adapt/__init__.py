"""Domain adaptation of the model: one method a file, each an `Objective`."""

from .base import Objective
from .dann import DANN
from .source_only import SourceOnly
from .teacher import Teacher

METHODS: dict[str, type[Objective]] = {"source-only": SourceOnly, "dann": DANN, "teacher": Teacher}

__all__ = ["DANN", "METHODS", "Objective", "SourceOnly", "Teacher"]
