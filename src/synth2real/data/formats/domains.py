"""Domains from records: what today's tasks take of what a format holds.

A class is an image-level label, or the category of the only instance. Values are image-level, and the points of the
only instance are the columns `NAME_x` and `NAME_y`, in pixels. A point that is not labelled (visibility 0) is nan,
which losses and metrics ignore; one that is hidden (1) is labelled.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError, LeftOutWarning
from ..domains import MOST, Labelled, Unlabelled
from ..reading.class_names import as_classes, is_name, natural_key
from ..reading.images import Decoded, decode
from ..reading.pixels import Conversion
from ..reading.progress import note
from ..reading.tables import listed
from .base import Format
from .record import UNSEEN, Instance, Point, Record, sides_of
from .shared.summary import Summary

AS_CLASSES = ("label", "class", "category")  # names of the class of an image
AXES = ("_x", "_y")  # ends of the names of the columns of a point
CROPS = "Cut them out: synth2real convert {path} FOLDER --to imagefolder --crop-instances"


class SeveralInstances(InputError):
    """Images have several instances, where a task needs one."""


def records_of(kind: Format, path: Path) -> list[Record]:
    """All records of a folder, with a line of what it was taken for, see `reading.progress`.

    Raises:
        InputError: there is none, or two images have one name; or as `Format.read`.
    """
    records = list(kind.records(path))
    if not records:
        raise InputError(f"{path}: is read as {kind.about}, which lists no image there, expected at least one")
    twice = next((name for name, times in Counter(one.name for one in records).items() if times > 1), None)
    if twice is not None:
        raise InputError(f"{path}: holds two images of the name '{twice}', expected different names. Rename one")
    note(f"{path}: {kind.about}, {Summary.of(records).line()}")
    return records


def load_unlabelled_format(kind: Format, path: Path, how: Conversion, given: tuple[str, ...]) -> Unlabelled:
    """The images of a format without their labels, see `load_unlabelled`."""
    records = records_of(kind, path)
    read = _decoded(records, how)
    kept = [records[i] for i in read.kept]
    return Unlabelled(read.images, tuple(one.name for one in kept), **read.facts, **_given(path, kept, given))


def load_format(
    kind: Format, path: Path, label: str | Sequence[str] | None, how: Conversion, given: tuple[str, ...]
) -> Labelled:
    """The images of a format with the labels of a task, see `load`.

    Raises:
        InputError: an image has several instances, or none, where the task needs one; a label is missing; or as
            `records_of`.
    """
    records = records_of(kind, path)
    classes = label is None or isinstance(label, str)
    # Labels are looked at before any image is decoded, which takes long.
    named = _classes(path, records, label) if classes else []  # type: ignore[arg-type]
    values = torch.empty(0) if classes else _values(path, records, list(label))  # type: ignore[arg-type]
    read = _decoded(records, how)
    kept = [records[i] for i in read.kept]
    facts = {"names": tuple(one.name for one in kept), **read.facts, **_given(path, kept, given)}
    if classes:
        labels, known = as_classes([named[i] for i in read.kept])
        return Labelled(read.images, labels, known, **facts)
    return Labelled(read.images, values[torch.tensor(read.kept)], columns=tuple(label or ()), **facts)


def _decoded(records: Sequence[Record], how: Conversion) -> Decoded:
    return decode([one.image for one in records], how)


def _given(path: Path, records: Sequence[Record], columns: tuple[str, ...]) -> dict[str, Any]:
    if not columns:
        return {}
    rows = [[_number(path, one, column, one.values.get(column)) for column in columns] for one in records]
    given = torch.tensor(rows, dtype=torch.float32)
    unknown = (~given.isfinite()).nonzero()
    if len(unknown):
        row, column = unknown[0].tolist()
        raise InputError(
            f"{path}: the given column '{columns[column]}' of {records[row].name} has no value, expected a number for "
            f"every image; found the columns {listed(sorted({n for r in records for n in r.values})) or 'none'}"
        )
    return {"given": given, "given_columns": columns}


def alone(record: Record) -> Instance | None:
    """The only instance of an image that is to be learnt; None if there is none, or several."""
    counted = [one for one in record.instances if not one.ignored]
    return counted[0] if len(counted) == 1 else None


def _check_alone(path: Path, records: Sequence[Record], what: str, *, needed: bool) -> None:
    """Raise `InputError` where images have several instances, or none if one is needed."""
    counts = [sum(not one.ignored for one in record.instances) for record in records]
    several = [i for i, count in enumerate(counts) if count > 1]
    if several:
        first = several[0]
        raise SeveralInstances(
            f"{path}: {len(several):,} of {len(records):,} images have several instances, the first is "
            f"{records[first].name} with {counts[first]}, but {what} needs one an image. {CROPS.format(path=path)}"
        )
    without = [i for i, count in enumerate(counts) if count == 0]
    if needed and without:
        raise InputError(
            f"{path}: {len(without):,} of {len(records):,} images have no instance, the first is "
            f"{records[without[0]].name}, but {what} needs one an image. Label them, or leave them out. "
            f"{CROPS.format(path=path)}"
        )


def _classes(path: Path, records: Sequence[Record], label: str | None) -> list[Any]:
    """The class of each image."""
    column = _class_column(path, records, label)
    if column is not None:
        missing = [one for one in records if not is_name(one.values.get(column))]
        if missing:
            raise InputError(
                f"{path}: {len(missing):,} of {len(records):,} images have no class in the column '{column}', the "
                f"first is {missing[0].name}, which has {missing[0].values.get(column)!r}. Label them, or remove them"
            )
        return [one.values[column] for one in records]
    _check_alone(path, records, "a class", needed=True)
    found = [alone(one) for one in records]
    unnamed = [(one, record) for one, record in zip(found, records, strict=True) if one is None or one.category is None]
    if unnamed:
        one, record = unnamed[0]
        raise InputError(
            f"{path}: {len(unnamed):,} instances have a category that is not named, the first in {record.name} is "
            f"{'' if one is None else one.unknown}. Name it in {record.described or path}, or remove them"
        )
    return [one.category for one in found if one is not None]


def _class_column(path: Path, records: Sequence[Record], label: str | None) -> str | None:
    """The image-level column of the classes; None where they are the categories of instances."""
    columns = {name for one in records for name in one.values}
    wanted = AS_CLASSES if label is None else (label,)
    column = next((name for name in wanted if name in columns), None)
    if column is None and label is not None and label not in AS_CLASSES:
        shown = listed(sorted(columns, key=natural_key)) or "none"
        raise InputError(
            f"{path}: has no image-level column '{label}', found {shown}. For the category of the only instance leave "
            "--label out (label= in Python)"
        )
    return column


def _values(path: Path, records: Sequence[Record], columns: Sequence[str]) -> Tensor:
    """The values (N, K) float64 of each image; nan where they are not known."""
    known = {name for one in records for name in one.values}
    names = {name for one in records for _, name, _ in one.points}
    points = {name + axis for name in names for axis in AXES}
    absent = [column for column in columns if column not in known | points]
    if absent:
        shown = listed(sorted(known | points, key=natural_key)) or "none"
        raise InputError(
            f"{path}: has no column {listed(absent)}, found {shown}. Name those with --label (label= in Python)"
        )
    pointed = [column for column in columns if column not in known]
    if pointed:
        _check_alone(path, records, f"the point {pointed[0].removesuffix('_x')}", needed=False)
        records = list(with_sizes(path, records))
    found = torch.tensor([[_value(path, one, column) for column in columns] for one in records], dtype=torch.float64)
    if found.isnan().all():
        raise InputError(
            f"{path}: no image has a value of {listed(columns)}, expected labels. Are the points labelled?"
        )
    empty = int(found.isnan().all(1).sum())
    if empty:
        text = f"{path}: {empty:,} of {len(records):,} images have no value of {listed(columns)}: they teach nothing"
        warnings.warn(LeftOutWarning(text, {"without a label": empty}), stacklevel=2)
    return found


def _value(path: Path, record: Record, column: str) -> float:
    if column in record.values:
        return _number(path, record, column, record.values[column])
    one = alone(record)
    point = None if one is None else one.points.get(column[: -len(AXES[0])])
    return math.nan if point is None else coordinate(point, column)


def coordinate(point: Point, column: str) -> float:
    """The coordinate that a column `NAME_x` or `NAME_y` asks for; nan if the point is not labelled."""
    if point.visibility == UNSEEN:
        return math.nan
    return point.x if column.endswith(AXES[0]) else point.y


def _number(path: Path, record: Record, column: str, value: Any) -> float:
    if value is None or str(value).strip() == "":
        return math.nan
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise InputError(
            f"{path}: the column '{column}' of {record.name} contains {value!r}, expected a number. For class names "
            "use --task classify"
        ) from None
    if abs(found) > MOST:
        raise InputError(f"{path}: the column '{column}' of {record.name} contains {value!r}, expected a finite number")
    return found


def with_sizes(path: Path, records: Iterable[Record]) -> Iterator[Record]:
    """The records, if their images have the size that their labels were made for.

    Raises:
        InputError: an image has another one.
    """
    for one in records:
        if one.size is not None and one.instances and one.size != (found := sides_of(one.image)):
            turned = " Is it turned by its EXIF tag? Images are read upright." if one.size == found[::-1] else ""
            raise InputError(
                f"{one.image}: is {found[0]} x {found[1]} pixels, but {one.described or path} describes it as "
                f"{one.size[0]} x {one.size[1]} (height x width), so that its labels would lie wrong.{turned} Restore "
                "the image, or scale its labels"
            )
        yield one
