"""Discrepancy-based adaptation: training minimises a distance between the features of both domains."""

from .afn import AFN
from .cod import COD
from .dan import DAN
from .daregram import DAREGRAM
from .deepcoral import DeepCORAL
from .jan import JAN
from .rsd import RSD
from .uga import UGA

__all__ = ["AFN", "COD", "DAN", "DAREGRAM", "JAN", "RSD", "UGA", "DeepCORAL"]
