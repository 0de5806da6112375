"""Domain adaptation of the model: one method a file, each an `Objective`, or a `FeatureMapping` before one."""

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
from .features import FeatureMapping
from .jan import JAN
from .mcc import MCC
from .mcd import MCD
from .mdd import MDD
from .mic import MIC
from .msda import MSDA
from .rsd import RSD
from .sda import SDA
from .self_training import SelfTraining
from .shot import SHOT
from .skada import TCA, CoralMapping, OTMapping, SubspaceAlignment
from .source_free import SourceFree
from .source_only import SourceOnly
from .svm import SVM
from .teacher import Teacher
from .tent import TENT
from .untied import Untied

# What the loop trains, on images and on features.
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
# What stands on mapped features.
OBJECTIVES: dict[str, type[Objective]] = {**METHODS, "svm": SVM, "self-training": SelfTraining}
MAPPINGS: dict[str, type[FeatureMapping]] = {
    mapping.name: mapping for mapping in (MSDA, SDA, CoralMapping, SubspaceAlignment, TCA, OTMapping)
}
# What adapts a trained model without its source.
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
    "MAPPINGS",
    "MCC",
    "MCD",
    "MDD",
    "METHODS",
    "MIC",
    "MSDA",
    "OBJECTIVES",
    "RSD",
    "SDA",
    "SHOT",
    "SOURCE_FREE",
    "SVM",
    "TCA",
    "TENT",
    "AdaBN",
    "AdaMatch",
    "CoralMapping",
    "DeepCORAL",
    "FeatureMapping",
    "Learner",
    "OTMapping",
    "Objective",
    "SelfTraining",
    "SourceFree",
    "SourceOnly",
    "SubspaceAlignment",
    "Teacher",
    "Untied",
]
