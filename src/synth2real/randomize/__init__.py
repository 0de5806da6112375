"""Domain randomization: widens the synthetic distribution until real images look like further samples of it.

Policies randomize images during the training (the stage `randomize`). `Widen` and `Automatic` widen the parameter
ranges of a simulator (the stage `widen`).
"""

from .augment import RandAugment, TrivialAugment
from .automatic import Automatic
from .policies import Full, Geometric, Photometric, Policy
from .widen import Widen

METHODS: dict[str, type[Policy]] = {
    "photometric": Photometric,
    "geometric": Geometric,
    "full": Full,
    "randaugment": RandAugment,
    "trivialaugment": TrivialAugment,
}

WIDEN: dict[str, type[Widen] | type[Automatic]] = {"widen": Widen, "automatic": Automatic}

__all__ = [
    "METHODS",
    "WIDEN",
    "Automatic",
    "Full",
    "Geometric",
    "Photometric",
    "Policy",
    "RandAugment",
    "TrivialAugment",
    "Widen",
]
