"""Domain adaptation of the model: one method a file, each an `Objective`."""

from .adda import ADDA
from .afn import AFN
from .base import Objective
from .cdan import CDAN
from .dan import DAN
from .dann import DANN
from .deepcoral import DeepCORAL
from .jan import JAN
from .mcc import MCC
from .mcd import MCD
from .mdd import MDD
from .source_only import SourceOnly
from .teacher import Teacher

METHODS: dict[str, type[Objective]] = {
    "source-only": SourceOnly,
    "dann": DANN,
    "cdan": CDAN,
    "adda": ADDA,
    "mcd": MCD,
    "mdd": MDD,
    "deepcoral": DeepCORAL,
    "dan": DAN,
    "jan": JAN,
    "afn": AFN,
    "mcc": MCC,
    "teacher": Teacher,
}

__all__ = [
    "ADDA",
    "AFN",
    "CDAN",
    "DAN",
    "DANN",
    "JAN",
    "MCC",
    "MCD",
    "MDD",
    "METHODS",
    "DeepCORAL",
    "Objective",
    "SourceOnly",
    "Teacher",
]
