"""Training data: labelled and unlabelled domains, and the functions that read them from disk."""

from .domains import Inputs, Labelled, Unlabelled
from .few_labels import FewLabels, load_few_labels
from .multi_source import join
from .reading import Channels, ImageFiles, Size, load, load_unlabelled
from .sparse import Layout, Sparse

__all__ = [
    "Channels",
    "FewLabels",
    "ImageFiles",
    "Inputs",
    "Labelled",
    "Layout",
    "Size",
    "Sparse",
    "Unlabelled",
    "join",
    "load",
    "load_few_labels",
    "load_unlabelled",
]
