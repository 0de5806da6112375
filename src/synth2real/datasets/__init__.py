"""Loaders of public data sets."""

from .handwriting import handwriting

__all__ = ["handwriting"]
