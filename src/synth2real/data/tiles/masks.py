"""Masks of whole images: labels of images of different sizes, and predictions that are blended from those of tiles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from ..fitting import Sides
from .tiling import Tiling
from .wholes import Wholes


@dataclass(frozen=True, eq=False)
class WholeMasks:
    """The class of each pixel of images of different sizes. `masks[i]` is that of one image, (H, W) uint8.

    Args:
        of: the masks, in memory or read on access.
        table: (256,) uint8, the class of each of their values; None for the values themselves.
        images: which of them, in order; None for all.
    """

    of: Wholes
    table: Tensor | None = None
    images: Tensor | None = None

    def __len__(self) -> int:
        return len(self.of) if self.images is None else len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        (found,) = self.of.wholes([index if self.images is None else int(self.images[index])])
        mask = torch.from_numpy(found)
        return mask if self.table is None else self.table[mask.int()]

    def subset(self, index: Tensor) -> WholeMasks:
        """The masks of the images at `index` (J,) int64."""
        return WholeMasks(self.of, self.table, index if self.images is None else self.images[index])

    def mapped(self, table: Tensor) -> WholeMasks:
        """The masks with another class for each value; `table` (256,) uint8."""
        return WholeMasks(self.of, table if self.table is None else table[self.table.long()], self.images)


def by_image(outputs: Iterable[Tensor], counts: Iterable[int]) -> Iterator[Tensor]:
    """The outputs of the tiles of each image in turn, (T, ...), from batches of outputs of all tiles, in order.

    Args:
        outputs: (B, ...) each.
        counts: number of tiles of each image.
    """
    batches, waiting, ready = iter(outputs), [], 0
    for count in counts:
        while ready < count:
            waiting.append(next(batches))
            ready += len(waiting[-1])
        every = torch.cat(waiting)
        yield every[:count]
        waiting, ready = [every[count:]], ready - count


def blended(maps: Iterable[Tensor], tiling: Tiling, image: int) -> Tensor:
    """The most probable class of each pixel of an image, (H, W) uint8.

    The maps of overlapping tiles are averaged. Their weights fall smoothly to nearly 0 at the edges of a tile, where a
    network sees least, so that there are no seams. In memory are the maps of one row of tiles.

    Args:
        maps: (C, *size) of each tile of the image, in order: the probability of each class at each pixel of the tile.
        tiling: of the image and others.
        image: its index.
    """
    height, width = (int(side) for side in tiling.sizes[image])
    frame = tiling.size
    seen = min(height, frame[0]), min(width, frame[1])
    upper, left = ((full - part) // 2 for full, part in zip(frame, seen, strict=True))
    weight = window(seen)
    corners = tiling.corner[tiling.tiles_of(torch.tensor([image]))].tolist()
    finished: list[Tensor] = []
    strip, begins = torch.zeros(0), 0
    for top, row in groupby(zip(corners, maps, strict=True), key=lambda one: one[0][0]):
        for (_, x), one in row:
            if not strip.numel():
                strip = one.new_zeros(len(one), seen[0], width)
            if top > begins:
                done = top - begins
                finished.append(strip[:, :done].argmax(0).to(torch.uint8))
                strip, begins = torch.cat([strip[:, done:], torch.zeros_like(strip[:, :done])], 1), top
            strip[:, :, x : x + seen[1]] += weight * one[:, upper : upper + seen[0], left : left + seen[1]]
    return torch.cat([*finished, strip.argmax(0).to(torch.uint8)])


def window(size: Sides) -> Tensor:
    """Weights (H, W) in 0..1 of the pixels of a tile: squared sines, highest in the middle."""
    rows, columns = (torch.sin((torch.arange(side) + 0.5) * (math.pi / side)).square() for side in size)
    return rows[:, None] * columns
