"""The simulator of nuclei in fluorescence microscopy: layout, shape and chromatin, stray light, and the camera."""

from .simulator import Nuclei

__all__ = ["Nuclei"]
