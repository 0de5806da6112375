"""Domain adaptation of the data: every method is a `Mapping` of images."""

from ..mapping import Mapping
from .simgan import SimGAN

METHODS: dict[str, type[Mapping]] = {"simgan": SimGAN}

__all__ = ["METHODS", "SimGAN"]
