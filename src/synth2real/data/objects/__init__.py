"""Objects: arrays, tables, lists of images, and data sets of other libraries, as domains."""

from .base import Ask
from .convert import as_labelled, as_unlabelled, labelled_of, load_hub, load_hub_labelled, unlabelled_of
from .huggingface import hub_column

__all__ = [
    "Ask",
    "as_labelled",
    "as_unlabelled",
    "hub_column",
    "labelled_of",
    "load_hub",
    "load_hub_labelled",
    "unlabelled_of",
]
