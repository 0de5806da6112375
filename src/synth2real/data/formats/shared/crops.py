"""Instances cut out: an image for each, which tasks of one label an image take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ...reading.pixels import Held
from ..record import Box, Instance, Mask, Point, Raster, Record, Semantic, Unpacked, image_bytes, reading
from .shapes import Polygons, RunLengths, box_around

Window = tuple[int, int, int, int]  # left, top, right, bottom, whole pixels; the last two are outside


class Crop(Unpacked):
    """A window of an image."""

    def __init__(self, image: Path | Held, window: Window) -> None:
        super().__init__(f"{image} at {window}")
        self.image, self.window = image, window

    def pixels(self) -> NDArray[np.uint8]:
        left, top, right, bottom = self.window
        return decoded(self.image)[top:bottom, left:right]


@lru_cache(maxsize=2)
def decoded(image: Path | Held) -> NDArray[np.uint8]:
    """The pixels (H, W) or (H, W, 3) of an image; the last ones are kept, as all its instances are cut out of it."""
    if isinstance(image, Unpacked):
        return image.pixels()
    content, _ = image_bytes(image)
    with reading(image), Image.open(BytesIO(content)) as opened:
        grey = opened.mode in ("1", "L", "LA")
        return np.asarray(ImageOps.exif_transpose(opened).convert("L" if grey else "RGB"))


@dataclass(frozen=True)
class CroppedRaster(Raster):
    """A window of a raster."""

    raster: Raster
    window: Window

    def array(self) -> NDArray[Any]:
        left, top, right, bottom = self.window
        return self.raster.array()[top:bottom, left:right]


def crops(records: Iterable[Record]) -> Iterator[Record]:
    """An image for each instance that is to be learnt: the window of its box, or of its mask.

    Its labels are those of the instance, moved into the window, and the image-level ones. Instances without a box or
    mask in the image are left out, and so are crowds and difficult ones.
    """
    for record in records:
        height, width = record.sides
        path = PurePosixPath(record.name)
        counted = [one for one in record.instances if not one.ignored]
        for i, one in enumerate(counted):
            box = one.box or _around(one.mask, height, width)
            window = None if box is None else window_of(box, height, width)
            if box is not None and window is not None:
                yield Record(
                    str(path.with_name(f"{path.stem}_{i}.png")),
                    Crop(record.image, window),
                    (window[3] - window[1], window[2] - window[0]),
                    record.values,
                    (_moved(one, box, window, height, width),),
                    _cropped(record.semantic, window),
                    record.described,
                )


def window_of(box: Box, height: int, width: int) -> Window | None:
    """The whole pixels that a box touches within the image; None if there is none."""
    left, top = max(0, math.floor(box[0] + 0.5)), max(0, math.floor(box[1] + 0.5))
    right, bottom = min(width, math.ceil(box[2] + 0.5)), min(height, math.ceil(box[3] + 0.5))
    return (left, top, right, bottom) if left < right and top < bottom else None


def _around(mask: Mask | None, height: int, width: int) -> Box | None:
    if mask is None:
        return None
    return mask.box if isinstance(mask, Polygons) else box_around(mask.pixels(height, width))


def _moved(one: Instance, box: Box, window: Window, height: int, width: int) -> Instance:
    """An instance in the coordinates of a window."""
    left, top, right, bottom = window
    mask: Mask | None = one.mask
    if isinstance(mask, Polygons):
        mask = Polygons(tuple(part - (left, top) for part in mask.parts))
    elif mask is not None:
        mask = RunLengths.of(mask.pixels(height, width)[top:bottom, left:right])
    points = {name: Point(p.x - left, p.y - top, p.visibility) for name, p in one.points.items()}
    moved = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return replace(one, box=moved, mask=mask, points=points)


def _cropped(semantic: Semantic | None, window: Window) -> Semantic | None:
    return None if semantic is None else Semantic(CroppedRaster(semantic.raster, window), semantic.classes)
