"""What a format is: how it is found, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError

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

    def records(self, path: Path) -> Iterator[Record]:
        """The records that `read` yields. What it stumbles over is an error of the folder.

        Raises:
            InputError: the folder is not as the format says.
        """
        try:
            yield from self.read(path)
        except InputError:
            raise
        except Exception as error:  # files of other programs hold anything anywhere
            raise InputError(
                f"{path}: is read as {self.about}, but is not as that program writes it ({type(error).__name__}: "
                f"{error}). Write it again, or name another --format (format= in Python)"
            ) from None
