"""Refine stage: methods that adapt the data. Each is a `Mapping` that makes synthetic images look more real."""

from collections.abc import Collection
from pathlib import Path

from ..plugins import Registry, subclass_of
from ..training.hardware import Hardware
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
# The same with the refiners of installed packages.
STAGE: Registry[type[Mapping]] = Registry(
    "refine",
    METHODS,
    lambda found: subclass_of(Mapping)(found) and isinstance(getattr(found, "name", None), str),
    "a subclass of synth2real.refine.ImageMapping with a `name`",
)

__all__ = [
    "CUT",
    "METHODS",
    "STAGE",
    "CycleGAN",
    "Fourier",
    "Histogram",
    "ImageMapping",
    "Reinhard",
    "SimGAN",
    "Style",
    "load_refiner",
]


def load_refiner(
    folder: str | Path, *, trust: bool | Collection[str] = False, hardware: Hardware | None = None
) -> Mapping:
    """Load a refiner written by `refiner.save(folder)` or `synth2real refine`. It can `transform` more images.

    Args:
        folder: a folder with `refiner.yaml`, or with a subfolder `refiner` that contains it: refined images, or a run.
        trust: True imports every class that the folder names, also if it is not of an installed package; or the names
            to import.
        hardware: the device on which it transforms; by default `Hardware.detect()`.

    Raises:
        InputError: there is no refiner, or it is damaged.
    """
    folder = Path(folder)
    return load_mapping(folder / REFINER if (folder / REFINER).is_dir() else folder, STAGE, trust, hardware)
