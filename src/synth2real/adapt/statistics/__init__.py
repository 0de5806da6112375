"""Adaptation of normalisation statistics, without any loss on the target."""

from .adabn import AdaBN

__all__ = ["AdaBN"]
