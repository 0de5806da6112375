"""What a format is: how it is found, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .record import Record


@dataclass(frozen=True)
class Format:
    """A format of labelled images on disk.

    Args:
        name: that --format takes.
        about: what it is, for messages and lists, such as `COCO JSON`.
        found: whether a folder (or file) is of this format, by a mark that no other format has. It looks at names, and
            at the beginning of few files; it raises nothing.
        read: yields the records of a folder (or file), in a fixed order. It raises `InputError` for what is broken.
        pictures: whether every image file in the folder is an image of the set, and none a mask. Then a folder of it
            that is read without labels is read as a folder of images, and its labels are not even opened.
        prefix: of a path that `load` reads by itself, such as `hf:`; the records are for `convert` and `check` alone.
    """

    name: str
    about: str
    found: Callable[[Path], bool]
    read: Callable[[Path], Iterable[Record]]
    pictures: bool = False
    prefix: str = ""
