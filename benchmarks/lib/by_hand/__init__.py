"""Training steps of adaptation methods as one writes them by hand in plain torch, for one network and one task.

They compute the same as the methods of `synth2real.adapt` with their defaults, on the same batch, without what a
library has beside: other tasks, checks, several processes, guards against a collapse. `training_step` compares both.
"""

from benchmarks.lib.by_hand.base import ByHand
from benchmarks.lib.by_hand.methods import (
    ADDA,
    AFN,
    CDAN,
    DAN,
    DANN,
    DAREGRAM,
    JAN,
    MCC,
    MCD,
    MDD,
    RSD,
    DeepCORAL,
    EntropyMinimisation,
    Masks,
    SourceOnly,
    Untied,
)
from benchmarks.lib.by_hand.self_training import DSBN, MIC, AdaMatch, Teacher

METHODS: dict[str, type[ByHand]] = {
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
    "adabn": SourceOnly,
    "dsbn": DSBN,
    "teacher": Teacher,
    "mic": MIC,
    "adamatch": AdaMatch,
}

__all__ = ["METHODS", "ByHand", "Masks"]
