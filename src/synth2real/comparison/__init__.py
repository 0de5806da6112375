"""Comparison of many routes: trains them within a budget and chooses one without real labels."""

from .comparison import Comparison, compare

__all__ = ["Comparison", "compare"]
