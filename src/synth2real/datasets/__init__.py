"""Loaders of public datasets."""

from .mpii_gaze import People, Split, leave_one_person_out, mpiigaze
from .sklearn_digits import handwriting
from .unity_eyes import unityeyes

__all__ = ["People", "Split", "handwriting", "leave_one_person_out", "mpiigaze", "unityeyes"]
