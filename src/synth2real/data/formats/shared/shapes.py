"""Masks as shapes: polygons and run lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..record import Box, Mask

FEWEST = 3  # corners of a polygon


@dataclass(frozen=True)
class Polygons(Mask):
    """Areas within closed lines; a pixel is inside if its centre is inside one of them.

    Args:
        parts: corners (K, 2) of each, x and y in pixels.
    """

    parts: tuple[NDArray[np.float64], ...]

    def pixels(self, height: int, width: int) -> NDArray[np.bool_]:
        from matplotlib.path import Path as Line

        found = np.zeros((height, width), bool)
        for corners in self.parts:
            left, top = np.clip(np.floor(corners.min(0)).astype(int), 0, (width, height))
            right, bottom = np.clip(np.ceil(corners.max(0)).astype(int) + 1, 0, (width, height))
            if right <= left or bottom <= top:
                continue
            x, y = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
            inside = Line(corners).contains_points(np.stack([x.ravel(), y.ravel()], 1))
            found[top:bottom, left:right] |= inside.reshape(x.shape)
        return found

    @property
    def box(self) -> Box | None:
        """The box around all corners; None without any."""
        if not self.parts:
            return None
        every = np.concatenate(self.parts)
        (left, top), (right, bottom) = every.min(0).tolist(), every.max(0).tolist()
        return left, top, right, bottom


@dataclass(frozen=True)
class RunLengths(Mask):
    """Lengths of runs of background and instance by turns, column by column from the top-left pixel, as in COCO.

    Args:
        size: height and width.
        counts: the lengths, of background first.
    """

    size: tuple[int, int]
    counts: tuple[int, ...]

    def pixels(self, height: int, width: int) -> NDArray[np.bool_]:
        values = np.arange(len(self.counts)) % 2 == 1
        flat = np.repeat(values, self.counts)
        return flat.reshape(self.size[::-1]).T

    @property
    def box(self) -> Box | None:
        """The box around its pixels; None if there is none."""
        return box_around(self.pixels(*self.size))

    @classmethod
    def of(cls, pixels: NDArray[np.bool_]) -> RunLengths:
        """The run lengths of a mask (H, W) bool."""
        flat = pixels.T.ravel()
        changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        edges = np.concatenate([[0], changes, [flat.size]])
        counts = np.diff(edges).tolist()
        return cls((pixels.shape[0], pixels.shape[1]), tuple([0, *counts] if flat.size and flat[0] else counts))


def unpacked_counts(text: str) -> tuple[int, ...]:
    """Run lengths from the text of COCO's compressed form.

    Each number is written in groups of five bits, lowest first, of which the sixth bit says that more follow. From the
    fourth number on it is the difference to the number before the last one.

    Raises:
        ValueError: the text ends within a number, or holds another character.
    """
    counts: list[int] = []
    for number in _numbers(text):
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
    return tuple(counts)


def _numbers(text: str) -> Iterator[int]:
    value, shift = 0, 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64:
            raise ValueError(f"found the character {character!r}")
        value |= (group & 0x1F) << shift
        shift += 5
        if not group & 0x20:
            yield value - (1 << shift) if group & 0x10 else value
            value, shift = 0, 0
    if shift:
        raise ValueError("it ends within a number")


def checked_counts(counts: Sequence[int], size: tuple[int, int]) -> RunLengths:
    """Run lengths that fill an image of `size`. Raise `ValueError` if they do not."""
    if any(count < 0 for count in counts) or sum(counts) != size[0] * size[1]:
        raise ValueError(f"run lengths of {sum(counts)} pixels, expected {size[0]} x {size[1]}")
    return RunLengths(size, tuple(int(count) for count in counts))


def box_around(pixels: NDArray[np.bool_]) -> Box | None:
    """Left, top, right and bottom edge of the true pixels of a mask (H, W); None if there is none."""
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    if not len(rows):
        return None
    return float(columns[0]) - 0.5, float(rows[0]) - 0.5, float(columns[-1]) + 0.5, float(rows[-1]) + 0.5


def polygon(numbers: Sequence[float]) -> NDArray[np.float64]:
    """Corners (K, 2) in our coordinates of x and y by turns, measured from the top-left corner of the image.

    Raises:
        ValueError: there are fewer than three corners, or half a one, or one is not finite.
    """
    flat = np.array(numbers, dtype=np.float64)
    if flat.ndim != 1 or len(flat) % 2 or len(flat) < 2 * FEWEST or not np.isfinite(flat).all():
        raise ValueError(f"a polygon of {flat.size} numbers, expected x and y of three corners or more")
    return flat.reshape(-1, 2) - 0.5
