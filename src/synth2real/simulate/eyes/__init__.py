"""The eye simulator: geometry, eyeball, skin, and the parameters of both cameras."""

from .simulator import Eyes

__all__ = ["Eyes"]
