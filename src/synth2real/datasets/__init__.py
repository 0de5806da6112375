"""Loaders of public data sets."""

from .handwriting import handwriting
from .mpiigaze import People, Split, leave_one_person_out, mpiigaze
from .unityeyes import unityeyes

__all__ = ["People", "Split", "handwriting", "leave_one_person_out", "mpiigaze", "unityeyes"]
