"""The images of shards: which there are, where each lies, and their bytes. Only what is read becomes an object."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..batch_sampler import Runs
from ..reading.images import Stored
from ..reading.pixels import Conversion, Held, Read, read_bytes

OPEN = 256  # shards that stay open; of more, each is opened for every image
RUN, RUN_BYTES = 256, 2**24  # samples that follow one another in a shard and are read together, and their bytes
BUFFER, BUFFER_BYTES = 2**14, 2**27  # samples that are shuffled together, and their bytes


class Shard(ABC):
    """One file with many images.

    Args:
        path: of the file.
    """

    path: Path

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def packed(self, place: int) -> bytes:
        """The bytes of an image file.

        Raises:
            ValueError: there is none; the message says what is there.
        """

    @abstractmethod
    def name(self, place: int) -> str:
        """The image within the shard: the member of an archive, or the row of a table."""

    @abstractmethod
    def runs(self) -> list[int]:
        """Lengths of the pieces that are read together; their sum is the number of images."""

    @abstractmethod
    def bytes_of_run(self) -> int:
        """About how many bytes such a piece takes in memory while it is read."""


class Opened:
    """A file to read from at any place, by any thread and any process.

    Args:
        path: of the file.
        stays: whether it stays open between two reads.
    """

    def __init__(self, path: Path, stays: bool = True) -> None:
        self.path, self.stays = path, stays
        self._held: int | None = None

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start` on. There are fewer if the file has become shorter."""
        if not self.stays:
            with self.path.open("rb", buffering=0) as file:
                return os.pread(file.fileno(), length, start)
        if self._held is None:
            self._held = os.open(self.path, os.O_RDONLY)
        return os.pread(self._held, length, start)

    def __reduce__(self) -> tuple[Any, ...]:
        return Opened, (self.path, self.stays)

    def __del__(self) -> None:
        if self._held is not None:
            os.close(self._held)


class Member(Held):
    """One image of a shard."""

    def __init__(self, shard: Shard, place: int) -> None:  # without a name, which only messages need
        self.shard, self.place = shard, place

    @property
    def name(self) -> str:  # type: ignore[override]
        """What messages call it: its shard, and its place there."""
        return f"{self.shard.path}: {self.shard.name(self.place)}"

    def read(self, how: Conversion) -> Read:
        return read_bytes(self.shard.packed(self.place), how)


def called(paths: Sequence[Path]) -> list[str]:
    """What shards are called in the names of images: their files, with folders if two files have one name."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    root = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(root).as_posix() for path in paths]


class Members(Stored):
    """The images of some shards, in order, or a selection of them.

    Args:
        shards: of all images.
        chosen: (M,) int64, which images of all, counted through all shards, in any order; None for all.
    """

    def __init__(self, shards: Sequence[Shard], chosen: NDArray[np.int64] | None = None) -> None:
        self.shards, self.chosen = tuple(shards), chosen
        self.starts = [0, *accumulate(map(len, self.shards))]  # of each shard, among all images
        self.called = called([shard.path for shard in self.shards])

    def __len__(self) -> int:
        return self.starts[-1] if self.chosen is None else len(self.chosen)

    @property
    def root(self) -> Path:
        """The file that holds the images, or the folder of several."""
        paths = [shard.path for shard in self.shards]
        return paths[0] if len(paths) == 1 else Path(os.path.commonpath([path.parent for path in paths]))

    @overload
    def __getitem__(self, place: int) -> Member: ...
    @overload
    def __getitem__(self, place: slice) -> Members: ...
    def __getitem__(self, place: int | slice) -> Member | Members:
        if isinstance(place, slice):
            return self.subset(np.arange(*place.indices(len(self))))
        return Member(*self.found(range(len(self))[place]))

    def found(self, place: int) -> tuple[Shard, int]:
        """The shard of an image, and its place there."""
        which, at = self._found(place)
        return self.shards[which], at

    def _found(self, place: int) -> tuple[int, int]:
        at = place if self.chosen is None else int(self.chosen[place])
        which = bisect_right(self.starts, at) - 1
        return which, at - self.starts[which]

    def name(self, place: int) -> str:
        """Name of an image: its shard and its name there."""
        which, at = self._found(place)
        return f"{self.called[which]}/{self.shards[which].name(at)}"

    def subset(self, index: NDArray[np.int64]) -> Members:
        """The images at `index` (B,) int64."""
        return Members(self.shards, index if self.chosen is None else self.chosen[index])

    def runs(self) -> Runs:
        """How the images are read one after another, for `ShardSampler`."""
        ends = np.concatenate([np.array(shard.runs(), np.int64) for shard in self.shards]).cumsum()
        order = None
        if self.chosen is not None:
            order = None if (np.diff(self.chosen) > 0).all() else self.chosen.argsort(kind="stable")
            ends = np.searchsorted(self.chosen if order is None else self.chosen[order], ends)
        lengths = np.diff(ends, prepend=0)
        lengths = lengths[lengths > 0]
        size = max(1, *(shard.bytes_of_run() for shard in self.shards))
        together = min(BUFFER // int(np.median(lengths)), BUFFER_BYTES // size)
        return Runs(lengths, max(1, together), order)
