"""Objects: arrays, tables, lists of images, and data sets of other libraries, as domains."""

from .base import Ask
from .convert import are_images, as_labelled, as_unlabelled, labelled_of, load_hub, load_hub_labelled, unlabelled_of
from .huggingface import hub_column
from .tables import check_columns, is_table

__all__ = [
    "Ask",
    "are_images",
    "as_labelled",
    "as_unlabelled",
    "check_columns",
    "hub_column",
    "is_table",
    "labelled_of",
    "load_hub",
    "load_hub_labelled",
    "unlabelled_of",
]
