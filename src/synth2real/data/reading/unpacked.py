"""Decoded images on disk, for sets that are too large for the memory: each is decoded once, not once an epoch.

The file has no name, so it vanishes with the process, also with one that is killed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...storage import cache_folder
from ..batch_sampler import Runs
from ..domains import Inputs

MOST = 2**33  # bytes of decoded images on disk
FREE = 4  # times as many bytes must be free there


class Unpacking:
    """Takes decoded images one by one.

    Args:
        file: to write to.
        shape: (C, H, W) of each.
    """

    def __init__(self, file: IO[bytes], shape: tuple[int, ...]) -> None:
        self.file, self.shape, self.whole = file, shape, True

    @classmethod
    def of(cls, count: int, shape: tuple[int, ...]) -> Unpacking | None:
        """Where `count` images can be written; None if they are too many for the disk."""
        need, folder = count * int(np.prod(shape)), cache_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if need > MOST or shutil.disk_usage(folder).free < FREE * need or not hasattr(os, "preadv"):
                return None
            return cls(tempfile.TemporaryFile(dir=folder), shape)
        except OSError:
            return None

    def add(self, pixels: NDArray[Any]) -> None:
        """Take an image; one of levels, whose depth is not known yet, ends it."""
        if self.whole:
            try:
                self.whole = pixels.dtype == np.uint8
                self.file.write(np.ascontiguousarray(pixels).data if self.whole else b"")
            except OSError:  # the disk is full: the images are decoded from where they are
                self.whole = False

    def settled(self, count: int, packed: Inputs) -> Inputs:
        """The images; or those that are packed, if not all could be written."""
        if not self.whole:
            self.file.close()
            return packed
        self.file.flush()
        return Unpacked(self.file, torch.Size((count, *self.shape)), packed)


class Unpacked:
    """Decoded images in a file. `images[index]` returns (B, C, H, W) uint8.

    Args:
        file: which holds one image after another.
        shape: (N, C, H, W).
        packed: the same images where they are packed, which another process takes.
    """

    decodes = True  # it reads, so that training reads ahead

    def __init__(self, file: IO[bytes], shape: torch.Size, packed: Inputs) -> None:
        self.file, self.shape, self.packed = file, shape, packed
        self.runs: Runs | None = getattr(packed, "runs", None)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Tensor, /) -> Tensor:
        size, handle = self.shape[1:].numel(), self.file.fileno()
        pixels = np.empty((len(index), size), np.uint8)
        flat = pixels.reshape(-1).data
        for place, at in enumerate(index.tolist()):
            os.preadv(handle, [flat[place * size : (place + 1) * size]], range(len(self))[at] * size)
        images = torch.from_numpy(pixels).view(len(index), *self.shape[1:])
        return images.contiguous(memory_format=torch.channels_last) if self.shape[1] > 1 else images

    def subset(self, index: Tensor) -> Inputs:
        """The images at `index` (B,) int64, as those that are packed."""
        from ..subsets import chosen

        return chosen(self.packed, index)

    def __reduce__(self) -> tuple[Any, ...]:
        return _same, (self.packed,)


def _same(packed: Inputs) -> Inputs:
    return packed
