"""What this library writes, as records: metadata tables with their columns, class folders, and masks beside images.

A pair of numbers `NAME_x` and `NAME_y` is a point, in pixels; an empty one is not labelled. A column `objects` holds
instances, see `objects`. `NAME_mask.png` is the mask of `NAME.png`; `mask_classes.json` names its numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ..reading.discovery import (
    MASK,
    as_spelled,
    check_classes,
    files_below,
    images_below,
    is_image,
    metadata_tables,
    without_masks,
)
from ..reading.loading import in_order
from ..reading.tables import is_file, named_by, table_rows
from .base import Format
from .record import UNSEEN, Instance, Picture, Point, Record, Semantic, Value
from .shared.files import read_json
from .shared.objects import COLUMN, unpacked
from .shared.summary import LABEL

AXES = ("_x", "_y")  # ends of the names of the columns of a point
OBJECT = "object"  # the category of a thing whose class is not known
MASK_CLASSES = "mask_classes.json"
Names = dict[int | tuple[int, ...], str]  # of the numbers of masks


def read(path: Path) -> Iterator[Record]:
    """The images of a folder, with the labels that this library reads.

    Raises:
        InputError: a table is broken, or an image is missing.
    """
    names = _mask_names(path)
    tables = metadata_tables(path)
    if tables:
        yield from _of_tables(path, tables, names)
        return
    files = in_order(path, without_masks(images_below(path))[0])
    folders = {file.relative_to(path).parts[0] for file in files if file.parent != path}
    classes = bool(folders) and all(file.parent != path for file in files)
    if classes:
        check_classes(path, folders)
    for file in files:
        name = file.relative_to(path)
        values: dict[str, Value] = {LABEL: name.parts[0]} if classes else {}
        yield Record(name.as_posix(), file, None, values, (), _mask(file, names))


def _of_tables(path: Path, tables: list[Path], names: Names) -> Iterator[Record]:
    find = as_spelled(path)
    known = set()
    for table in tables:
        for row in table_rows(table):
            if "file_name" not in row:
                raise InputError(f"{table}: a row has no column 'file_name', expected the path of its image. Add it")
            file = find(named_by(table, row, path))
            if not is_file(file):
                raise InputError(f"{file}: listed in {table}, but there is no such file")
            if file in known:
                raise InputError(f"{file}: found two rows in the metadata tables of {path}, expected one. Remove one")
            known.add(file)
            try:
                values, instances = from_columns({key: cell for key, cell in row.items() if key != "file_name"})
            except ValueError as error:
                raise InputError(f"{table}: the column '{COLUMN}' of {file.name} is wrong ({error}). Mend it") from None
            name = file.relative_to(path).as_posix()
            yield Record(name, file, None, values, instances, _mask(file, names), table)


def from_columns(row: Mapping[str, Any]) -> tuple[dict[str, Value], tuple[Instance, ...]]:
    """The image-level labels and the instances of a row of a table.

    Raises:
        ValueError: the column `objects` has another form.
    """
    values = {key: _cell(cell) for key, cell in row.items() if isinstance(cell, str | int | float | None)}
    instances = unpacked(row[COLUMN]) if row.get(COLUMN) is not None else ()
    points = {}
    for name in _pairs(values):
        x, y = (values.pop(name + axis) for axis in AXES)
        seen = isinstance(x, int | float) and isinstance(y, int | float)
        points[name] = Point(float(x), float(y)) if seen else Point(0.0, 0.0, UNSEEN)  # type: ignore[arg-type]
    if points and not instances:
        category = values.get(LABEL)
        instances = (Instance(OBJECT if category in (None, "") else str(category), points=points),)
    return values, instances


def _cell(cell: Any) -> Value:
    """A cell of a table; the text of a number in a CSV is that number."""
    if not isinstance(cell, str):
        return cell  # type: ignore[no-any-return]
    if not cell.strip():
        return None
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


def _pairs(values: Mapping[str, Value]) -> list[str]:
    """Names of points: of two columns with numbers or nothing."""
    starts = [name.removesuffix(AXES[0]) for name in values if name.endswith(AXES[0])]
    plain = (int, float, type(None))
    return [
        name
        for name in starts
        if name and all(name + axis in values and isinstance(values[name + axis], plain) for axis in AXES)
    ]


def _mask_names(path: Path) -> Names:
    file = path / MASK_CLASSES
    if not is_file(file):
        return {}
    try:
        return {int(key): str(name) for key, name in read_json(file).items()}
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f'{file}: found a key that is no number ({error}), expected {{"1": "car"}}') from None


def _mask(image: Path, names: Names) -> Semantic | None:
    file = image.with_name(f"{image.stem}{MASK}.png")
    if not is_file(file):
        return None
    raster = Picture(file)
    return Semantic(raster, names or {int(one): str(one) for one in np.unique(raster.array()).tolist()})


def found(path: Path) -> bool:
    """Whether there are images at all."""
    return path.is_dir() and any(is_image(file) for file in files_below(path))


IMAGES = Format("images", "images of this library or plain ones", found, read, pictures=True)
