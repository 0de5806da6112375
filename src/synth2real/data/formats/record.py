"""Records: one image of any format, with all labels that its format holds. Readers yield them, writers take them.

Coordinates are those of the whole library: the centre of the top-left pixel is (0, 0), so the left edge of the image is
at x = -0.5. Readers convert from the convention of their format.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import InputError
from ..reading.pixels import ORIENTATION, TURNED, Conversion, Held, Read, read_bytes, read_opened

Value = str | int | float | None  # of an image-level column; None where it is not known
Box = tuple[float, float, float, float]  # left, top, right, bottom edge
UNSEEN, OCCLUDED, VISIBLE = 0, 1, 2  # visibility of a point: not labelled; labelled but hidden; labelled and visible


class Point(NamedTuple):
    """A labelled point: x and y in pixels, and its visibility (0 not labelled, 1 hidden, 2 visible)."""

    x: float
    y: float
    visibility: int = VISIBLE


class Raster(ABC):
    """A picture of numbers that is read when it is asked for, such as an image of instance ids."""

    @abstractmethod
    def array(self) -> NDArray[Any]:
        """(H, W) whole numbers, or (H, W, C) uint8 colours.

        Raises:
            InputError: it cannot be read.
        """


class Mask(ABC):
    """The pixels of one instance."""

    @abstractmethod
    def pixels(self, height: int, width: int) -> NDArray[np.bool_]:
        """(H, W) bool, true on the instance."""


@dataclass(frozen=True)
class Instance:
    """One object in an image.

    Args:
        category: its class; None if the format gives a number that it does not name, which is then in `unknown`.
        box: left, top, right and bottom edge in pixels.
        mask: its pixels.
        points: keypoints by name.
        ignored: a crowd (`iscrowd`) or a difficult object, which is neither learnt nor scored.
        id: that the format gives it.
        unknown: the number of a category that is not named.
    """

    category: str | None
    box: Box | None = None
    mask: Mask | None = None
    points: Mapping[str, Point] = field(default_factory=dict)
    ignored: bool = False
    id: str | int | None = None
    unknown: str = ""


@dataclass(frozen=True)
class Semantic:
    """The class of each pixel of an image.

    Args:
        raster: (H, W) numbers, or (H, W, C) colours.
        classes: the name of each number or colour; others are background.
    """

    raster: Raster
    classes: Mapping[int | tuple[int, ...], str]

    def pixels(self, category: str) -> NDArray[np.bool_]:
        """(H, W) bool, true where the pixel is of that class."""
        array, keys = self.raster.array(), [key for key, name in self.classes.items() if name == category]
        found = np.zeros(array.shape[:2], bool)
        for key in keys:
            found |= equal(array, key)
        return found


@dataclass(frozen=True)
class Record:
    """One image with its labels.

    Args:
        name: path below the folder, with `/`, or the key in an archive. No two images of a set have one name.
        image: its file, or an image within another file.
        size: height and width in pixels as the format says them; None if it does not.
        values: image-level labels by column: a text is a class, a number a value.
        instances: the objects in the image.
        semantic: the class of each pixel.
        described: the file that holds its labels, for messages; None if that is the image.
    """

    name: str
    image: Path | Held
    size: tuple[int, int] | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    instances: tuple[Instance, ...] = ()
    semantic: Semantic | None = None
    described: Path | None = None

    @cached_property
    def sides(self) -> tuple[int, int]:
        """Height and width in pixels of the upright image: those that the format says, or else those of the file."""
        return self.size or sides_of(self.image)

    @property
    def points(self) -> Iterator[tuple[Instance, str, Point]]:
        """All points of all instances."""
        return ((one, name, point) for one in self.instances for name, point in one.points.items())


class Packed(Held):
    """An image whose packed bytes lie within another file, such as an archive or a JSON.

    Args:
        name: what messages call it.
        suffix: of its file format, such as `.png`.
    """

    def __init__(self, name: str, suffix: str) -> None:
        super().__init__(name)
        self.suffix = suffix

    @abstractmethod
    def packed(self) -> bytes:
        """The bytes of the image file, as they are."""

    def read(self, how: Conversion) -> Read:
        return read_bytes(self.packed(), how)


class Unpacked(Held):
    """An image that lies within another file as plain pixels."""

    @abstractmethod
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W) or (H, W, 3) uint8."""

    def read(self, how: Conversion) -> Read:
        return read_opened(Image.fromarray(self.pixels()), how)


@dataclass(frozen=True)
class Picture(Raster):
    """An image file of numbers or colours. A palette is not applied: its indices are the numbers."""

    file: Path

    def array(self) -> NDArray[Any]:
        return _raster(self.file, self.file.stat().st_mtime_ns)


@dataclass(frozen=True)
class Region(Mask):
    """The pixels of a raster that have one number or colour."""

    raster: Raster
    value: int | tuple[int, ...]

    def pixels(self, height: int, width: int) -> NDArray[np.bool_]:
        return equal(self.raster.array(), self.value)


def equal(array: NDArray[Any], value: int | tuple[int, ...]) -> NDArray[np.bool_]:
    """(H, W) bool: where a raster has that number, or that colour in its first channels."""
    if isinstance(value, int):
        found: NDArray[np.bool_] = (array if array.ndim == 2 else array[..., 0]) == value
        return found
    if array.ndim == 2:
        return np.zeros(array.shape, bool)
    channels = min(len(value), array.shape[2])
    found = (array[..., :channels] == np.array(value[:channels])).all(-1)
    return found


@lru_cache(maxsize=4)
def _raster(file: Path, _changed: int) -> NDArray[Any]:
    """The numbers (H, W) or colours (H, W, C) of an image file; the last ones are kept, as all instances share one."""
    try:
        with Image.open(file) as opened:
            return np.asarray(opened)
    except Exception as error:  # decoders raise errors of any kind for damaged files
        raise InputError(
            f"{file}: unreadable mask ({error}), expected an image of numbers or colours. Restore it"
        ) from None


@contextmanager
def reading(image: Path | Held) -> Iterator[None]:
    """Turns any error of reading an image into an `InputError` that names it."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # decoders raise errors of any kind for damaged files
        why = str(error) or type(error).__name__
        raise InputError(f"{image}: unreadable image ({why}). Repair or remove it") from None


def image_bytes(image: Path | Held) -> tuple[bytes, str]:
    """The bytes of an image file and its lower-case suffix: as they are where there is a file, else as PNG.

    Raises:
        InputError: it cannot be read.
    """
    with reading(image):
        if isinstance(image, Path):
            return image.read_bytes(), image.suffix.lower()
        if isinstance(image, Packed):
            return image.packed(), image.suffix.lower()
        if isinstance(image, Unpacked):
            pixels = image.pixels()
        else:
            pixels = image.read(Conversion()).eight_bits(16).transpose(1, 2, 0).squeeze()
        out = BytesIO()
        Image.fromarray(pixels).save(out, "PNG", compress_level=1)
        return out.getvalue(), ".png"


def sides_of(image: Path | Held) -> tuple[int, int]:
    """Height and width of the upright image, without decoding its pixels where there is a file.

    Raises:
        InputError: it cannot be read.
    """
    with reading(image):
        if isinstance(image, Unpacked):
            height, width = image.pixels().shape[:2]
            return height, width
        if not isinstance(image, Path | Packed):
            return image.read(Conversion()).given
        with Image.open(image if isinstance(image, Path) else BytesIO(image.packed())) as opened:
            turned = opened.getexif().get(ORIENTATION, 1) in TURNED
            return (opened.width, opened.height) if turned else (opened.height, opened.width)
