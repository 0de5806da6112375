"""Domain adaptation of the data: every method is a `Mapping` of images."""

from pathlib import Path

from ..training.mapping import REFINER, Mapping, load_mapping
from .base import ImageMapping
from .cut import CUT
from .cyclegan import CycleGAN
from .fourier import Fourier
from .histogram import Histogram
from .reinhard import Reinhard
from .simgan import SimGAN
from .style import Style

METHODS: dict[str, type[Mapping]] = {
    method.name: method for method in (SimGAN, CycleGAN, CUT, Fourier, Histogram, Reinhard, Style)
}

__all__ = [
    "CUT",
    "METHODS",
    "CycleGAN",
    "Fourier",
    "Histogram",
    "ImageMapping",
    "Reinhard",
    "SimGAN",
    "Style",
    "load_refiner",
]


def load_refiner(folder: str | Path) -> Mapping:
    """A refiner as `refiner.save(folder)` or `synth2real refine` wrote it, ready to `transform` more images.

    Args:
        folder: that holds `refiner.yaml`, or whose subfolder `refiner` does: refined images, or a run.

    Raises:
        InputError: there is no refiner, or it is damaged.
    """
    folder = Path(folder)
    return load_mapping(folder / REFINER if (folder / REFINER).is_dir() else folder, METHODS)
