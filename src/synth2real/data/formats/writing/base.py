"""What the writers have in common: what a set holds, what a format of it cannot hold, and its image files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ....storage import copied, make_folder, whole
from ..record import Record, image_bytes
from ..shared.summary import Summary

LAYOUT = ("images", "labels")  # folders of formats, which are no part of the name of an image


Lost = list[str]  # lines on what a format cannot hold, such as `12 masks`


@dataclass(frozen=True)
class Writer:
    """A format that is written.

    Args:
        name: that --to takes.
        about: what it is.
        lost: lines on what of a set it cannot hold.
        write: writes the records to a folder that is there and empty; it may go through them once.
    """

    name: str
    about: str
    lost: Callable[[Summary], Lost]
    write: Callable[[Iterable[Record], Summary, Path], None]


def unnamed(summary: Summary) -> Lost:
    """The line on instances whose category has no name, which no format can hold."""
    count = summary.counts["unnamed"]
    return [f"{count:,} instances of a category that is not named"] if count else []


class Names:
    """Names of the images in the output: those of the input, without folders of its layout, each once.

    Two images whose names differ in the suffix alone would share their files of labels: the suffix becomes a part of
    the name of the second one.
    """

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def of(self, record: Record) -> PurePosixPath:
        """The name without a suffix."""
        path = PurePosixPath(record.name)
        parts = [part for part in path.parts[:-1] if part.lower() not in LAYOUT and part not in ("..", "/")]
        name = PurePosixPath(*parts, path.stem)
        if str(name).lower() in self.taken:
            name = name.with_name(f"{name.name}_{path.suffix.removeprefix('.').lower()}")
        while str(name).lower() in self.taken:
            name = name.with_name(f"{name.name}_")
        self.taken.add(str(name).lower())
        return name


def write_image(record: Record, folder: Path, name: PurePosixPath) -> Path:
    """Write the image of a record: the same bytes where it is a file, else a PNG."""
    if isinstance(record.image, Path):
        file = folder / f"{name}{record.image.suffix}"
        make_folder(file.parent)
        copied(record.image, file)
        return file
    content, suffix = image_bytes(record.image)
    file = folder / f"{name}{suffix}"
    make_folder(file.parent)
    with whole(file) as partial:
        partial.write_bytes(content)
    return file
