"""Groups of the samples of shards, by a column or the folder in their names: in one pass, four bytes a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ...errors import InputError
from ..reading.class_names import class_name, is_name
from .labels import Classes
from .loading import PARQUET, shard_files
from .members import called
from .table import Table
from .tar import samples_of

FOLDER = "folder"  # in place of a column: the folder in the name of a sample, `person-3` of `person-3/000001.png`


def has_groups(path: str | Path, column: str) -> bool:
    """Whether the first sample of shards has a group of this column; see `groups_of`."""
    return next((value is not None for _, value in _cells(path, column)), False)


def groups_of(path: str | Path, column: str, names: Sequence[str]) -> tuple[Tensor, tuple[str, ...]] | None:
    """The group of each sample of shards; None if no sample has one.

    Args:
        path: a folder, a file or a pattern of shards.
        column: entry of the JSON, member or column of Parquet; or `folder`, where no column has that name.
        names: of the samples, in the order of the shards. Others were left out when they were loaded.

    Returns:
        (N,) int64 indices, and the names of the groups in natural order.

    Raises:
        InputError: some samples have a group and others none, or a group is no name; or the shards have changed.
    """
    found, wanted = Classes(), iter(names)
    lacking: str | None = None
    following = next(wanted, None)
    for name, value in _cells(path, column):
        if name != following:
            continue
        following = next(wanted, None)
        if value is None:
            lacking = lacking or name
        elif is_name(value):
            found.add(class_name(value))
        else:
            raise InputError(f"{path}: the group '{column}' of {name} is {value!r:.60}, expected a name or a number")
    if following is not None:
        raise InputError(f"{path}: {following} is not there any more, expected the shards as they were loaded")
    if not found.codes:
        return None
    if lacking is not None:
        raise InputError(f"{path}: {lacking} has no group '{column}', expected one for every image")
    return found.of(np.arange(len(found.codes)))


def _cells(path: str | Path, column: str) -> Iterator[tuple[str, Any]]:
    """The name of each sample as in `Members.name`, and its cell. Loading has said what is damaged."""
    files = shard_files(path, lambda error: None)
    for file, shard in zip(files, called(files), strict=True):
        packed = _of_table(file, column) if file.name.lower().endswith(PARQUET) else _of_archive(file, column)
        for name, value in packed:
            yield f"{shard}/{name}", value


def _of_archive(file: Path, column: str) -> Iterator[tuple[str, Any]]:
    for sample in samples_of(file, lambda error: None):
        try:
            name = sample.image.name
        except InputError:
            continue
        known = column in sample.columns or column.lower() in sample.columns
        yield name, sample.value(column) if known else _folder(name) if column == FOLDER else None


def _of_table(file: Path, column: str) -> Iterator[tuple[str, Any]]:
    try:
        table = Table(file)
        images = table.images
    except InputError:
        return
    if column in table.columns:
        classes = table.classes(column)
        for place, (value,) in enumerate(table.rows((column,))):
            named = classes and isinstance(value, int) and 0 <= value < len(classes)
            yield f"{place:06d}", classes[value] if named else value
        return
    for place, path in enumerate(table.paths(images)):
        yield f"{place:06d}", _folder(path) if path is not None and column == FOLDER else None


def _folder(name: str) -> str | None:
    return name.replace("\\", "/").rpartition("/")[0] or None
