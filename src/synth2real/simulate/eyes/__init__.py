"""The eye simulator: geometry, eyeball, skin, and the parameters of both camera presets."""

from .simulator import Eyes

__all__ = ["Eyes"]
