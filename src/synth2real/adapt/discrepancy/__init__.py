"""Discrepancy-based adaptation: training minimises a distance between the features of both domains."""

from .afn import AFN
from .dan import DAN
from .daregram import DAREGRAM
from .deepcoral import DeepCORAL
from .jan import JAN
from .rsd import RSD

__all__ = ["AFN", "DAN", "DAREGRAM", "JAN", "RSD", "DeepCORAL"]
