"""Adapt stage: this folder holds the methods that train a model to predict well on the unlabelled target domain.

Each file holds one method. An `Objective` trains a new model. A `FeatureMapping` transforms the features before that
training. A `SourceFree` method adapts a trained model to the target without source data.

Network, optimiser, schedule and randomization are settings that all methods share. Their defaults are those of this
library, not of the papers. All other differences from a paper are in the description of the method.
"""

from ..plugins import Registry, subclass_of
from .adversarial.adda import ADDA
from .adversarial.cdan import CDAN
from .adversarial.dann import DANN
from .adversarial.mcd import MCD
from .adversarial.mdd import MDD
from .base import Learner, Objective
from .discrepancy.afn import AFN
from .discrepancy.dan import DAN
from .discrepancy.daregram import DAREGRAM
from .discrepancy.deepcoral import DeepCORAL
from .discrepancy.jan import JAN
from .discrepancy.rsd import RSD
from .mappings.base import FeatureMapping
from .mappings.closed_form_self_training import SelfTraining
from .mappings.msda import MSDA
from .mappings.sda import SDA
from .mappings.skada import TCA, CoralMapping, OTMapping, SubspaceAlignment
from .mappings.spl import SPL
from .mappings.svm import SVM
from .self_training.adamatch import AdaMatch
from .self_training.dsbn import DSBN
from .self_training.entropy import EntropyMinimisation
from .self_training.mcc import MCC
from .self_training.mic import MIC
from .self_training.teacher import Teacher
from .source_free.base import SourceFree
from .source_free.shot import SHOT
from .source_free.tent import TENT
from .source_only import SourceOnly
from .statistics.adabn import AdaBN
from .untied_weights import Untied

# Methods that the training loop runs, on images and on features.
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
    "entropy": EntropyMinimisation,
    "rsd": RSD,
    "daregram": DAREGRAM,
    "untied": Untied,
    "adabn": AdaBN,
    "dsbn": DSBN,
    "teacher": Teacher,
    "mic": MIC,
    "adamatch": AdaMatch,
}
# Methods that can train the model on mapped features.
OBJECTIVES: dict[str, type[Objective]] = {**METHODS, "svm": SVM, "self-training": SelfTraining, "spl": SPL}
MAPPINGS: dict[str, type[FeatureMapping]] = {
    mapping.name: mapping for mapping in (MSDA, SDA, CoralMapping, SubspaceAlignment, TCA, OTMapping)
}
# Methods that adapt a trained model without source data.
SOURCE_FREE: dict[str, type[SourceFree]] = {method.name: method for method in (SHOT, TENT)}

# Everything that the stage `adapt` of a route may be, with the methods of installed packages; and the same for
# `synth2real adapt`.
STAGE: Registry[type[Objective] | type[FeatureMapping]] = Registry(
    "adapt",
    {**OBJECTIVES, **MAPPINGS},
    subclass_of(Objective, FeatureMapping),
    "a subclass of synth2real.adapt.Objective or FeatureMapping",
    reserved=tuple(SOURCE_FREE),
)
SOURCE_FREE_STAGE: Registry[type[SourceFree]] = Registry(
    "source_free", SOURCE_FREE, subclass_of(SourceFree), "a subclass of synth2real.adapt.SourceFree"
)
FeatureMapping.objectives = STAGE

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
    "SOURCE_FREE_STAGE",
    "SPL",
    "STAGE",
    "SVM",
    "TCA",
    "TENT",
    "AdaBN",
    "AdaMatch",
    "CoralMapping",
    "DeepCORAL",
    "EntropyMinimisation",
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
