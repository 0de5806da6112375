"""Masks of a set of images: in memory where they fit, else decoded on access."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..fitting import Resize
from ..labels import IndexMaps
from ..reading.images import AHEAD, SUBSET, decoding_threads
from .pixels import Drawn, Sides, check_size, fitted_index


class MaskFiles:
    """Class indices that stay on disk. Threads decode one batch at a time.

    `files[index]` returns (B, H, W) uint8.

    Args:
        masks: of the images.
        size: height and width that they are brought to, with their images.
        resize: how, see `fitting.place`.
        table: (256,) uint8, the index of the class of each value that is read.
    """

    decodes = True

    def __init__(self, masks: Sequence[Drawn], size: Sides, resize: Resize, table: Tensor) -> None:
        self.masks, self.resize, self.table = list(masks), resize, table
        self.shape = torch.Size((len(self.masks), *size))

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        found = torch.empty((len(index), *self.shape[1:]), dtype=torch.uint8)
        table = self.table.numpy()

        def put(place: int, which: int) -> None:
            found[place].numpy()[:] = fitted_index(table[self.masks[which].read()], self.sides, self.resize)

        list(decoding_threads(os.getpid()).map(put, range(len(index)), index.tolist()))
        return found

    def wholes(self, index: Sequence[int]) -> list[NDArray[np.uint8]]:
        """The masks at `index` in their own sizes, if they are to be cut into tiles."""
        table = self.table.numpy()
        return list(decoding_threads(os.getpid()).map(lambda which: table[self.masks[which].read()], index))

    def subset(self, index: Tensor) -> IndexMaps:
        """The masks at `index` (B,) int64. A small part is decoded, others stay on disk."""
        if len(index) * self.shape[1:].numel() <= SUBSET:
            return self[index]
        return MaskFiles([self.masks[i] for i in index.tolist()], self.sides, self.resize, self.table)

    @property
    def sides(self) -> Sides:
        """Height and width of each mask."""
        return self.shape[1], self.shape[2]


def inspected(masks: Sequence[Drawn], images: Sequence[Any], sizes: Tensor) -> Tensor:
    """How many pixels of each value all masks have, (256,) int64.

    Args:
        masks: of N images.
        images: what messages call them.
        sizes: (N, 2) height and width of each.

    Raises:
        InputError: a mask cannot be read, or has another size than its image.
    """

    def count(mask: Drawn) -> tuple[Sequence[int], Any]:
        found = mask.read()
        return found.shape, np.bincount(found.ravel(), minlength=256)

    total = np.zeros(256, np.int64)
    for start in range(0, len(masks), AHEAD):
        part = slice(start, start + AHEAD)
        results = decoding_threads(os.getpid()).map(count, masks[part])
        for mask, image, size, (shape, counts) in zip(
            masks[part], images[part], sizes[part].tolist(), results, strict=True
        ):
            check_size(mask, shape, image, size)
            total += counts
    return torch.from_numpy(total)
