"""Engines: one `map` over the parts of a job, in this process, in a pool of processes, or as tasks of Ray."""

from .base import ENGINES, Engine, engine
from .here import Here
from .parts import Span, spans

__all__ = ["ENGINES", "Engine", "Here", "Span", "engine", "spans"]
