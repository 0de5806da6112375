"""Reading given columns, where label columns are: in a metadata table beside the images, or as arrays of an `.npz`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from ...errors import InputError
from ..domains import Labelled, Unlabelled
from ..sparse import SVMLIGHT
from .discovery import as_spelled, metadata_tables
from .npz import arrays_of
from .tables import TABLES, listed, named_by, number, table_rows

Domain = TypeVar("Domain", Labelled, Unlabelled)


def with_given(domain: Domain, path: Path, columns: tuple[str, ...]) -> Domain:
    """The domain, which was loaded from `path`, with its given columns (see `read_given`), if there are any."""
    if not columns:
        return domain
    return replace(domain, given=read_given(path, columns, domain.names), given_columns=columns)


def read_given(path: Path, columns: Sequence[str], names: Sequence[str]) -> Tensor:
    """The given columns (N, G) float32 of loaded samples.

    Args:
        path: what the samples were loaded from: a folder, an image, or an `.npz`.
        columns: names of the columns.
        names: of the N samples: paths below the folder, or row numbers of the `.npz`.

    Raises:
        InputError: a column does not exist, a sample has no row, or a value is missing, not a number, or not finite.
    """
    suffix = path.suffix.lower()
    if suffix in SVMLIGHT:
        raise InputError(
            f"{path}: needs the given columns {listed(columns)}, which an svmlight file does not have. Write an .npz"
        )
    if suffix == ".npz":
        return _from_arrays(path, columns, len(names))
    folder = path if path.is_dir() else path.parent
    beside = [folder / name for name in TABLES if (folder / name).is_file()]
    tables = metadata_tables(path) if path.is_dir() else beside
    if not tables:
        raise InputError(
            f"{path}: needs the given columns {listed(columns)}, but found no {' or '.join(TABLES)}. Write "
            f"{folder / TABLES[0]} with the columns {listed(('file_name', *columns))}, one row per image"
        )
    return _from_tables(folder, tables, columns, names)


def _from_arrays(path: Path, columns: Sequence[str], count: int) -> Tensor:
    with arrays_of(path) as arrays:
        found = []
        for column in columns:
            if column not in arrays:
                raise InputError(
                    f"{path}: has no array '{column}' for the given column, found {listed(arrays.keys())}. Write each "
                    "given column as an array of its name, with one number per sample"
                )
            values = torch.from_numpy(arrays.numbers(column))
            if values.shape not in ((count,), (count, 1)):
                raise InputError(
                    f"{path}: the given column '{column}' of shape {tuple(values.shape)}, expected ({count},), one "
                    "number per sample"
                )
            unknown = values.flatten().isnan()
            if unknown.any():
                raise InputError(
                    f"{path}: the given column '{column}' contains NaN, first in row {int(unknown.int().argmax())}, "
                    "expected a number for every sample. Fill it, or leave the sample out"
                )
            found.append(values.flatten())
    return torch.stack(found, 1).float()


def _from_tables(folder: Path, tables: Sequence[Path], columns: Sequence[str], names: Sequence[str]) -> Tensor:
    find, wanted = as_spelled(folder), set(names)
    found: dict[str, list[float]] = {}
    for table in tables:
        for index, row in enumerate(table_rows(table), start=1):
            missing = [name for name in ("file_name", *columns) if name not in row]
            if missing:
                raise InputError(
                    f"{table}: row {index} has no column {listed(missing)}; found the columns {listed(row)}. Add it, "
                    "or name other columns with --given (given= in Python)"
                )
            file = find(named_by(table, row, folder))
            name = file.relative_to(folder).as_posix()
            if name in found:
                raise InputError(f"{file}: found two rows in the metadata tables of {folder}, expected one. Remove one")
            if name in wanted:
                found[name] = [_value(row[column], column, table, file) for column in columns]
    lost = next((name for name in names if name not in found), None)
    if lost is not None:
        raise InputError(
            f"{folder / lost}: no row of a metadata table has the given columns {listed(columns)} for it, expected one "
            "row per image. Add the row, or remove the image"
        )
    return torch.tensor([found[name] for name in names], dtype=torch.float32)


def _value(cell: object, column: str, table: Path, file: Path) -> float:
    value = number(cell, column, table, file, kind="given")
    if math.isnan(value):
        raise InputError(
            f"{table}: the given column '{column}' of {file.name} is empty, expected a number for every image. Fill "
            "it, or remove the image"
        )
    return value
