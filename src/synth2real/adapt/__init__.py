"""Domain adaptation of the model: one method a file, each an `Objective`."""

from .adabn import AdaBN
from .adamatch import AdaMatch
from .base import Objective
from .dann import DANN
from .daregram import DAREGRAM
from .dsbn import DSBN
from .mic import MIC
from .rsd import RSD
from .source_only import SourceOnly
from .teacher import Teacher
from .untied import Untied

METHODS: dict[str, type[Objective]] = {
    "source-only": SourceOnly,
    "dann": DANN,
    "teacher": Teacher,
    "mic": MIC,
    "adamatch": AdaMatch,
    "adabn": AdaBN,
    "dsbn": DSBN,
    "rsd": RSD,
    "daregram": DAREGRAM,
    "untied": Untied,
}

__all__ = [
    "DANN",
    "DAREGRAM",
    "DSBN",
    "METHODS",
    "MIC",
    "RSD",
    "AdaBN",
    "AdaMatch",
    "Objective",
    "SourceOnly",
    "Teacher",
    "Untied",
]
