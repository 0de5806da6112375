"""Many routes side by side: what is trained, for how long, and which route is chosen."""

from .comparison import Comparison, compare

__all__ = ["Comparison", "compare"]
