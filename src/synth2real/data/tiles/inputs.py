"""Tiles of images or masks, cut when they are indexed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..batch_sampler import Runs
from ..domains import Inputs
from ..labels import IGNORED
from ..subsets import COPIED
from .tiling import Tiling
from .wholes import AT_ONCE, KEPT, HeldWholes, Recent, Wholes

TOGETHER = 16  # images whose tiles are shuffled with each other, at most


class Tiles:
    """Tiles of images (N, C, H, W), padded with the mean colour of what they show; or of masks (N, H, W) uint8.

    Images that stay on disk are decoded when their tiles are indexed, and a few stay in memory. `runs` lets training
    read some images at a time, so that each is decoded about once an epoch.

    Args:
        wholes: the images or masks that are cut.
        image, corner: of each tile, see `Tiling`.
    """

    def __init__(self, wholes: Wholes, image: Tensor, corner: Tensor) -> None:
        self.decodes = not isinstance(wholes, HeldWholes)
        self.of = Recent(wholes) if self.decodes and not isinstance(wholes, Recent) else wholes
        self.image, self.corner = image, corner
        self.shape = torch.Size((len(image), *wholes.shape[1:]))

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        image, corner = self.image[index], self.corner[index].tolist()
        order = image.argsort(stable=True)
        distinct, counts = image[order].unique_consecutive(return_counts=True)
        places = order.split(counts.tolist())
        found: Tensor | None = None
        for first in range(0, len(distinct), AT_ONCE):
            part = distinct[first : first + AT_ONCE].tolist()
            for whole, at in zip(self.of.wholes(part), places[first : first + AT_ONCE], strict=True):
                found = self._empty(len(index), whole.dtype) if found is None else found
                for place in at.tolist():
                    self._cut(whole, corner[place], found[place].numpy())
        return self._empty(0, np.dtype(np.uint8)) if found is None else found

    def _empty(self, count: int, dtype: np.dtype[np.generic]) -> Tensor:
        """Channels last, as training takes batches."""
        shape, kind = (count, *self.shape[1:]), torch.from_numpy(np.empty(0, dtype)).dtype
        last = len(shape) == 4 and shape[1] > 1
        return torch.empty(shape, dtype=kind, memory_format=torch.channels_last if last else torch.contiguous_format)

    def _cut(self, whole: np.ndarray, corner: Sequence[int], tile: np.ndarray) -> None:
        """Write one tile, in the middle of the padding if there is any, as `fitting.placed` has it."""
        height, width = tile.shape[-2:]
        seen = whole[..., corner[0] : corner[0] + height, corner[1] : corner[1] + width]
        if seen.shape == tile.shape:
            tile[:] = seen
            return
        if tile.ndim == 2:
            tile[:] = IGNORED
        else:
            mean = seen.mean((1, 2), dtype=np.float64, keepdims=True)
            tile[:] = mean.round() if tile.dtype == np.uint8 else mean
        top, left = ((full - part) // 2 for full, part in zip((height, width), seen.shape[-2:], strict=True))
        tile[..., top : top + seen.shape[-2], left : left + seen.shape[-1]] = seen

    def subset(self, index: Tensor) -> Inputs:
        """The tiles at `index` (B,) int64. A small part is cut, others are cut when they are indexed."""
        if len(index) * self.shape[1:].numel() <= COPIED:
            return self[index]
        return Tiles(self.of, self.image[index], self.corner[index])

    @property
    def runs(self) -> Runs | None:
        """How the tiles are read one after another, see `sampler_of`: image by image; None for images in memory."""
        if not isinstance(self.of, Recent):
            return None
        images: Runs = getattr(self.of.of, "runs", None) or Runs(np.ones(len(self.of), np.int64), self._together)
        order = np.arange(len(self.of)) if images.order is None else images.order
        place, run = np.empty_like(order), np.empty_like(order)
        place[order], run[order] = np.arange(len(order)), np.repeat(np.arange(len(images.lengths)), images.lengths)
        image = self.image.numpy()
        lengths = np.bincount(run[image], minlength=len(images.lengths))
        return Runs(lengths[lengths > 0], images.together, place[image].argsort(kind="stable"))

    @property
    def _together(self) -> int:
        """How many images may be read in turn, so that they stay in memory."""
        reach = (self.corner + torch.tensor(self.shape[-2:])).prod(1).max()
        channels = self.shape[1] if len(self.shape) == 4 else 1
        return max(1, min(TOGETHER, KEPT // (int(reach) * channels)))


def cut_into(wholes: Wholes, tiling: Tiling) -> Inputs:
    """The tiles of images or masks: those of images in memory that take little are cut at once."""
    tiles = Tiles(wholes, tiling.image, tiling.corner)
    return tiles if tiles.decodes else tiles.subset(torch.arange(len(tiles)))
