"""Domain randomization: how wide must the synthetic distribution be, so that reality is one more sample of it?"""

from .augment import RandAugment, TrivialAugment
from .policies import Full, Geometric, Photometric, Policy
from .simulator import Widen

METHODS: dict[str, type[Policy]] = {
    "photometric": Photometric,
    "geometric": Geometric,
    "full": Full,
    "randaugment": RandAugment,
    "trivialaugment": TrivialAugment,
}

__all__ = ["METHODS", "Full", "Geometric", "Photometric", "Policy", "RandAugment", "TrivialAugment", "Widen"]
