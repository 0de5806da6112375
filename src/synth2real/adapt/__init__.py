"""Domain adaptation of the model: one method a file, each an `Objective`; `SOURCE_FREE` ones adapt a trained model."""

from .adabn import AdaBN
from .adamatch import AdaMatch
from .adda import ADDA
from .afn import AFN
from .base import Learner, Objective
from .cdan import CDAN
from .dan import DAN
from .dann import DANN
from .daregram import DAREGRAM
from .deepcoral import DeepCORAL
from .dsbn import DSBN
from .jan import JAN
from .mcc import MCC
from .mcd import MCD
from .mdd import MDD
from .mic import MIC
from .rsd import RSD
from .shot import SHOT
from .source_free import SourceFree
from .source_only import SourceOnly
from .teacher import Teacher
from .tent import TENT
from .untied import Untied

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
    "rsd": RSD,
    "daregram": DAREGRAM,
    "untied": Untied,
    "adabn": AdaBN,
    "dsbn": DSBN,
    "teacher": Teacher,
    "mic": MIC,
    "adamatch": AdaMatch,
}
SOURCE_FREE: dict[str, type[SourceFree]] = {method.name: method for method in (SHOT, TENT)}

__all__ = [
    "ADDA",
    "AFN",
    "CDAN",
    "DAN",
    "DANN",
    "DAREGRAM",
    "DSBN",
    "JAN",
    "MCC",
    "MCD",
    "MDD",
    "METHODS",
    "MIC",
    "RSD",
    "SHOT",
    "SOURCE_FREE",
    "TENT",
    "AdaBN",
    "AdaMatch",
    "DeepCORAL",
    "Learner",
    "Objective",
    "SourceFree",
    "SourceOnly",
    "Teacher",
    "Untied",
]
