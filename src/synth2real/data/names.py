"""Names of many samples in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 4096  # names that are text at once


class Names(Sequence[str]):
    """A sequence of texts that is kept as bytes: a million file names take some 20 MB in place of 100.

    Args:
        packed: the UTF-8 bytes of all texts, one after another; what is no UTF-8 in a file name is kept.
        ends: (N,) int64, where each ends.
    """

    def __init__(self, packed: bytes, ends: NDArray[np.int64]) -> None:
        self.packed, self.ends = packed, ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> Names:
        """The texts, of which only some are in memory at once."""
        packed, sizes = bytearray(), bytearray()
        part: list[int] = []
        for text in texts:
            coded = text.encode("utf-8", "surrogateescape")
            packed += coded
            part.append(len(coded))
            if len(part) == AT_ONCE:
                sizes += np.array(part, np.int64).tobytes()
                part = []
        sizes += np.array(part, np.int64).tobytes()
        return cls(bytes(packed), np.frombuffer(sizes, np.int64).cumsum())

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Names: ...
    def __getitem__(self, place: int | slice) -> str | Names:
        if isinstance(place, slice):
            return self.subset(np.arange(len(self))[place])
        place = range(len(self))[place]
        start = int(self.ends[place - 1]) if place else 0
        return self.packed[start : int(self.ends[place])].decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self.ends:  # `tolist` would make a million numbers
            yield self.packed[start : (start := int(end))].decode("utf-8", "surrogateescape")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Names({len(self)} names)"

    def subset(self, index: NDArray[np.int64]) -> Names:
        """The names at `index` (B,) int64."""
        return Names.of(self[i] for i in map(int, index))
