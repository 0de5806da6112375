"""Data sets of Hugging Face on disk, as `save_to_disk` writes them. `load` reads them as `hf:FOLDER`.

Their records, for `convert` and `check`: a column of the feature `Image` is the image, one of `ClassLabel`, texts and
numbers are image-level labels, and `objects` with `bbox` (left, top, width, height) and `category` are instances.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..reading.places import HUB
from ..reading.tables import listed
from .base import Format
from .record import Instance, Packed, Record, Value
from .shared.objects import CATEGORIES, COLUMN, unpacked

SAVED = (("dataset_info.json", "state.json"), ("dataset_dict.json",))  # files of a set, and of several splits


def found(path: Path) -> bool:
    """Whether there are the files of `save_to_disk`."""
    return any(all((path / name).is_file() for name in names) for names in SAVED)


def read(path: Path) -> Iterator[Record]:
    """The rows, in their order; names are their numbers.

    Raises:
        InputError: the package is missing, there are several splits or no column of images, or a row is broken.
    """
    from ..objects.huggingface import open_hub

    dataset = open_hub(f"{HUB}{path}")
    images = [name for name, feature in dataset.features.items() if type(feature).__name__ == "Image"]
    if len(images) != 1:
        raise InputError(f"{path}: found the columns of images {listed(images) or 'none'}, expected one")
    raw = dataset.with_format(None).cast_column(images[0], type(dataset.features[images[0]])(decode=False))
    for index in range(len(raw)):
        row = raw[index]
        values = {name: _value(row[name], dataset.features[name]) for name in row if name not in (images[0], COLUMN)}
        kept = {name: value for name, value in values.items() if isinstance(value, str | int | float | None)}
        image = Row(raw, images[0], index, _suffix(row[images[0]]))
        instances = _instances(path, index, row.get(COLUMN), dataset.features.get(COLUMN))
        yield Record(f"{index:06d}{image.suffix}", image, None, kept, instances, described=path)


class Row(Packed):
    """The image of a row: its packed bytes, or those of the file that it names."""

    def __init__(self, dataset: Any, column: str, index: int, suffix: str) -> None:
        super().__init__(f"row {index}", suffix)
        self.dataset, self.column, self.index = dataset, column, index

    def packed(self) -> bytes:
        found = self.dataset[self.index][self.column]
        content: bytes = found["bytes"] if found["bytes"] is not None else Path(found["path"]).read_bytes()
        return content


def _suffix(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return ".png"
    if cell.get("path"):
        return Path(cell["path"]).suffix.lower() or ".png"
    head = (cell.get("bytes") or b"")[:2]
    return ".jpg" if head == b"\xff\xd8" else ".png"


def _value(cell: Any, feature: Any) -> Value | Any:
    """A cell as a label: the name of a class."""
    names = getattr(feature, "names", None)
    return names[cell] if names is not None and isinstance(cell, int) and 0 <= cell < len(names) else cell


def _instances(path: Path, index: int, objects: Any, feature: Any) -> tuple[Instance, ...]:
    if not isinstance(objects, dict):
        return ()
    kinds = feature if isinstance(feature, dict) else {}
    inner = next((kinds[name] for name in CATEGORIES if name in kinds), None)
    try:
        return unpacked(objects, getattr(getattr(inner, "feature", inner), "names", None))
    except ValueError as error:
        raise InputError(f"{path}: '{COLUMN}' of row {index} is wrong ({error}). Correct or remove it") from None


HUGGING_FACE = Format("huggingface", "data set of Hugging Face", found, read, prefix=HUB)
