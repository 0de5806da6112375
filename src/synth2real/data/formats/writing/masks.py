"""Semantic masks as PNG files of numbers, and outlines of masks."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..record import Mask, Picture, Semantic
from ..shared.shapes import FEWEST, Polygons

SMALL = 256  # numbers that a PNG of 8 bits holds


def mask_bytes(semantic: Semantic, numbers: dict[str, int]) -> bytes:
    """A PNG of the numbers of the classes; a PNG that holds these numbers already, as it is.

    Args:
        semantic: the classes.
        numbers: the number of each class; other pixels are 0.
    """
    same = all(isinstance(key, int) and numbers.get(name) == key for key, name in semantic.classes.items())
    raster = semantic.raster
    if same and isinstance(raster, Picture) and raster.file.suffix.lower() == ".png":
        return raster.file.read_bytes()
    array = raster.array()
    kind = np.uint8 if max(numbers.values(), default=0) < SMALL else np.uint16
    found = np.zeros(array.shape[:2], kind)
    for name in dict.fromkeys(semantic.classes.values()):
        found[semantic.pixels(name)] = numbers[name]
    out = BytesIO()
    Image.fromarray(found).save(out, "PNG")
    return out.getvalue()


def outline(mask: Mask, height: int, width: int) -> tuple[NDArray[np.float64] | None, bool]:
    """The largest outer line (K, 2) of a mask, and whether that is all of it: no hole, and no further part.

    The line of a mask of pixels passes between their centres and those of the background. None if there is no pixel.
    """
    if isinstance(mask, Polygons):
        if not mask.parts:
            return None, True
        return max(mask.parts, key=lambda part: np.ptp(part, 0).prod()), len(mask.parts) == 1
    pixels = mask.pixels(height, width)
    if not pixels.any():
        return None, True
    from contourpy import contour_generator

    framed = np.pad(pixels, 1).astype(np.float64)
    found = [np.asarray(line, dtype=np.float64) for line in contour_generator(z=framed).lines(0.5)]
    lines = [line[:-1] - 1 for line in found if len(line) > FEWEST]
    largest: NDArray[np.float64] = max(lines, key=lambda line: float(np.ptp(line, 0).prod()))
    return largest, len(lines) == 1


def mask_file(image: Path, mark: str) -> Path:
    """The mask of an image, beside it."""
    return image.with_name(f"{image.stem}{mark}.png")
