"""Whole images of different sizes, and masks of them, before they are cut into tiles."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..fitting import TILES, Resize, Sides

KEPT = 2**28  # bytes of the images that were read last, which stay in memory
AT_ONCE = 8  # images that are read before they are cut


@runtime_checkable
class Wholes(Protocol):
    """Images (C, H, W), or masks (H, W), of any size.

    `shape` is that of as many tiles: (I, C, H, W) or (I, H, W).
    """

    @property
    def shape(self) -> torch.Size: ...
    def __len__(self) -> int: ...
    def wholes(self, index: Sequence[int]) -> list[NDArray[Any]]:
        """The images or masks at these indices."""
        ...


class HeldWholes:
    """Whole images or masks in memory.

    Args:
        arrays: (C, H, W) or (H, W) each.
        size: height and width of the tiles that they are cut into.
    """

    def __init__(self, arrays: Sequence[NDArray[Any]], size: Sequence[int]) -> None:
        self.arrays = arrays
        self.shape = torch.Size((len(arrays), *arrays[0].shape[:-2], *size))

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        raise TypeError("images of different sizes make no batch: cut them into tiles")

    def wholes(self, index: Sequence[int]) -> list[NDArray[Any]]:
        return [self.arrays[i] for i in index]


class Recent:
    """Reads whole images, of which those that were read last stay in memory.

    So the tiles of an image do not need to decode it each. Threads may share it, and another process begins anew.

    Args:
        wholes: that are read.
    """

    def __init__(self, wholes: Wholes) -> None:
        self.of = wholes
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.of)

    @property
    def shape(self) -> torch.Size:
        return self.of.shape

    def wholes(self, index: Sequence[int]) -> list[NDArray[Any]]:
        """The images at `index`, each once."""
        with self._lock:
            missing = [i for i in index if i not in self._kept]
            self._kept |= dict(zip(missing, self.of.wholes(missing), strict=True))
            for i in index:
                self._kept.move_to_end(i)
            found = [self._kept[i] for i in index]
            total = sum(one.nbytes for one in self._kept.values())
            while total > KEPT and len(self._kept) > 1:
                total -= self._kept.popitem(last=False)[1].nbytes
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return Recent, (self.of,)


def of_arrays(images: Tensor, size: Sides | None, resize: Resize) -> Tensor | HeldWholes:
    """Images (I, C, H, W) in memory as they are, or whole ones if they are to be cut into tiles of `size`."""
    return HeldWholes(list(images.numpy()), size) if resize == TILES and size is not None else images
