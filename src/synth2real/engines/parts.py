"""Parts of a job that are images in a row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """The images from `first` on, before `end`."""

    first: int
    end: int

    def __str__(self) -> str:
        return f"images {self.first} to {self.end - 1}"

    def __len__(self) -> int:
        return self.end - self.first


def spans(count: int, size: int, first: int = 0) -> list[Span]:
    """The images from `first` to `count`, in parts of `size`; the last may be smaller."""
    return [Span(at, min(at + size, count)) for at in range(first, count, size)]
