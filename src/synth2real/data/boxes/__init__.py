"""Boxes from disk: how a label asks for them, in which format they lie, and how they are read."""

from .classes import BOXES, only

__all__ = ["BOXES", "only"]
