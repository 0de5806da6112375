"""The simulator of a stained blood smear under a microscope: layout, cells, what else lies there, and the optics."""

from .simulator import Blood

__all__ = ["Blood"]
