"""Blobs: what small round things of simulators are drawn as, and how they are kept apart."""

from .drawing import Blobs, Pixels, drawn, front, noise_at, pixels, rising, summed
from .spacing import apart

__all__ = ["Blobs", "Pixels", "apart", "drawn", "front", "noise_at", "pixels", "rising", "summed"]
