"""Domain randomization: how wide must the synthetic distribution be, so that reality is one more sample of it?"""

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
