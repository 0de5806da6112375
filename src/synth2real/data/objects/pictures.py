"""Images one by one: lists of paths, of images of Pillow, and of what Hugging Face stores for an image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ...errors import InputError
from ..reading.images import decode
from ..reading.pixels import Conversion, Held, Read, read_bytes, read_image, read_opened
from ..reading.tables import is_file
from .arrays import read_array
from .base import ONE_AT_A_TIME, Ask, Found

Value = Image.Image | str | Path | bytes | Mapping[str, Any] | None


class Picture(Held):
    """One image of a user's list or table: of Pillow, a path, the bytes of a file, or `{"bytes": ..., "path": ...}`.

    Args:
        name: as in `Held`.
        value: the image.
        root: folder that a relative path starts from.
    """

    def __init__(self, name: str, value: Value, root: Path = Path()) -> None:
        super().__init__(name)
        self.value, self.root = value, root

    def read(self, how: Conversion) -> Read:
        return read_value(self.value, how, self.root)


def read_value(value: Value, how: Conversion, root: Path = Path()) -> Read:
    """The pixels of an image in any of the forms of `Picture`. Raise `ValueError` if it is none."""
    if isinstance(value, Mapping) and {"bytes", "path"} & set(value):
        value = value.get("bytes") if value.get("bytes") is not None else value.get("path")
    if isinstance(value, Image.Image):
        with ONE_AT_A_TIME:
            value.load()  # an image that was opened lazily, perhaps several times in one list
        return read_opened(value, how)
    if isinstance(value, str | Path):
        return read_image(root / value, how)
    if isinstance(value, bytes):
        return read_bytes(value, how)
    raise ValueError(f"found {'None' if value is None else type(value).__name__}, expected an image or its path")


def is_picture(value: object) -> bool:
    """Whether a value is an image of Pillow or a path."""
    return isinstance(value, Image.Image | str | Path)


def read_pictures(values: Sequence[Value], ask: Ask, called: str = "image") -> Found:
    """Images in memory, or decoded on access if they are too many.

    Args:
        values: the images; they may be of several kinds.
        ask: with the size, if the images differ in size.
        called: what messages call one, before its number.

    Raises:
        InputError: as `decode`.
    """
    if len(values) == 0:
        raise InputError(f"found no {called}, expected at least one")
    if all(isinstance(value, str | Path) for value in values):
        files = [Path(os.path.abspath(ask.root / str(value))) for value in values]
        absent = next((file for file in files if not is_file(file)), None)
        if absent is not None and not ask.how.skip_bad:
            raise InputError(
                f"{absent}: there is no such file, expected an image. Name the folder that paths start from: root="
            )
        read = decode(files, ask.how)
        names = tuple(str(values[i]) for i in read.kept)
        return Found(read.images, read.sizes, read.depth, names, kept=read.kept, count=len(values))
    read = decode([Picture(f"{called} {i}", value, ask.root) for i, value in enumerate(values)], ask.how)
    return Found(read.images, read.sizes, read.depth, kept=read.kept, count=len(values))


def read_sequence(values: Sequence[Any], ask: Ask) -> Found:
    """A list or tuple: of images, of paths, of arrays of one shape, or of rows of numbers.

    Raises:
        InputError: it is empty, or its first element is none of these.
    """
    if len(values) == 0:
        raise InputError("X is empty, expected at least one sample")
    if any(is_picture(value) for value in values):
        return read_pictures(values, ask)
    if isinstance(values[0], Mapping | set | bytes) or values[0] is None:
        raise InputError(
            f"X is a {type(values).__name__} of {type(values[0]).__name__}, expected images of Pillow, paths, or arrays"
        )
    first = values[0]
    if hasattr(first, "detach"):  # numpy would convert tensors number by number
        values = [value.detach().cpu().numpy() if hasattr(value, "detach") else value for value in values]
    return read_array(values, ask)
