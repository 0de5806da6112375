"""Where tiles lie: overlapping tiles of one size, spread evenly over images of any size.

A tile is an image of its own to all that trains and measures. It has the pixels of its part of the image at their
scale, and padding around them where the image is smaller than the tile. Its labels are in pixels of that part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from ..fitting import Sides
from ..subsets import chosen_names

SHARED = 4  # neighbours share at least this part of their side: a quarter


@lru_cache(maxsize=4096)
def starts(length: int, side: int) -> tuple[int, ...]:
    """Where the tiles of a `side` begin along `length` pixels: the first at 0, the last one ends at the border.

    There are as few as share a quarter of their side or more with the next one.
    """
    last = length - side
    if last <= 0:
        return (0,)
    steps = -(-last // (side - -(-side // SHARED)))
    return tuple(i * last // steps for i in range(steps + 1))


@lru_cache(maxsize=4096)
def own_parts(length: int, side: int) -> tuple[tuple[float, float], ...]:
    """The part of each tile that is its own, from and to: it ends in the middle of what two neighbours share."""
    first = starts(length, side)
    between = [(start + before + side) / 2 for before, start in pairwise(first)]
    return tuple(zip([0.0, *between], [*between, float(length)], strict=True))


@dataclass(frozen=True, eq=False)
class Tiling:
    """Which image each of N tiles is from, and where it lies there.

    Args:
        sizes: (I, 2) int64, height and width of each of I images.
        size: height and width of all tiles.
        names: of the images; empty if they have none.
        image: (N,) int64, index of the image of each tile. Tiles of one image follow one another.
        corner: (N, 2) int64, top and left of each tile in its image.
        own: (N, 4) float32, left, top, right and bottom of its own part, in pixels of the image. The own parts of the
            tiles of an image cover it, and do not overlap.
    """

    sizes: Tensor
    size: Sides
    names: Sequence[str]
    image: Tensor
    corner: Tensor
    own: Tensor

    @classmethod
    def of(cls, sizes: Tensor, size: Sides, names: Sequence[str] = ()) -> Tiling:
        """The tiles of images of these sizes (I, 2), image by image, from left to right and from top to bottom."""
        image: list[int] = []
        corner: list[tuple[int, int]] = []
        own: list[tuple[float, float, float, float]] = []
        for i, (height, width) in enumerate(sizes.tolist()):
            across = list(zip(starts(width, size[1]), own_parts(width, size[1]), strict=True))
            for top, (upper, lower) in zip(starts(height, size[0]), own_parts(height, size[0]), strict=True):
                for left, (near, far) in across:
                    image.append(i)
                    corner.append((top, left))
                    own.append((near, upper, far, lower))
        return cls(sizes, size, names, torch.tensor(image), torch.tensor(corner), torch.tensor(own))

    def __len__(self) -> int:
        return len(self.image)

    @cached_property
    def counts(self) -> Tensor:
        """(I,) int64, number of tiles of each image."""
        return torch.bincount(self.image, minlength=len(self.sizes))

    @property
    def content(self) -> Tensor:
        """(N, 2) int64, height and width of what each tile shows of its image; the rest is padding."""
        return torch.minimum(self.sizes[self.image], torch.tensor(self.size))

    @property
    def tile_names(self) -> tuple[str, ...]:
        """`photo.jpg [1200, 800]`: the image of each tile, and the left and top pixel of the tile there."""
        places = zip(self.image.tolist(), self.corner.tolist(), strict=True)
        return tuple(f"{self.names[i]} [{left}, {top}]" for i, (top, left) in places) if self.names else ()

    def subset(self, index: Tensor) -> Tiling | None:
        """The tiling of the tiles at `index` (B,) int64, if these are all tiles of some images, image by image.

        Of other tiles no images can be put together: they are images of their own, without a tiling.
        """
        images = self.image[index].unique_consecutive()
        if len(images.unique()) < len(images) or not torch.equal(index, self.tiles_of(images)):
            return None
        number = torch.full((len(self.sizes),), -1).index_put((images,), torch.arange(len(images)))
        names = chosen_names(self.names, images)
        return Tiling(
            self.sizes[images], self.size, names, number[self.image[index]], self.corner[index], self.own[index]
        )

    def tiles_of(self, images: Tensor) -> Tensor:
        """Indices (B,) int64 of all tiles of these images (J,) int64, image by image."""
        counts, ends = self.counts[images], self.counts.cumsum(0)
        firsts = (ends - self.counts)[images]
        within = torch.arange(int(counts.sum())) - (counts.cumsum(0) - counts).repeat_interleave(counts)
        return firsts.repeat_interleave(counts) + within

    def parts(self, most: int) -> Iterator[Tensor]:
        """Indices of the tiles of whole images, in order: about `most` tiles at once, or those of one image."""
        ends = self.counts.cumsum(0)
        part = (ends - 1).div(most, rounding_mode="floor")
        for images in torch.arange(len(ends)).split(part.unique_consecutive(return_counts=True)[1].tolist()):
            yield self.tiles_of(images)
