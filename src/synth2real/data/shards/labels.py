"""Labels and given columns of the samples of shards, collected one by one into small arrays."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ..reading.class_names import class_name, is_name, natural_key
from ..reading.tables import listed, number
from .table import Table
from .tar import Sample

NAMED = ("label", "class", "cls", "labels")  # columns of classes, where the user says none or one of the first two
CHOSEN = (None, "label", "class")
Cell = Callable[[str], Any]  # the value of a column of one sample


@dataclass
class Classes:
    """One class for each sample.

    Args:
        declared: names of the classes in the order of the data set, if it has one; else they are in natural order.
    """

    declared: tuple[str, ...] = ()
    codes: array[int] = field(default_factory=lambda: array("i"))
    known: dict[str, int] = field(default_factory=dict)

    def add(self, name: str) -> None:
        """The class of the next sample."""
        self.codes.append(self.known.setdefault(name, len(self.known)))

    def of(self, kept: NDArray[np.int64]) -> tuple[Tensor, tuple[str, ...]]:
        """Indices (M,) int64 of the samples at `kept`, and the names of their classes."""
        codes, names = np.frombuffer(self.codes, np.int32)[kept], list(self.known)
        used = [names[code] for code in np.unique(codes).tolist()]
        classes = self.declared if set(used) <= set(self.declared) else tuple(sorted(used, key=natural_key))
        place = {name: i for i, name in enumerate(classes)}
        table = np.array([place.get(name, -1) for name in names], np.int64)
        return torch.from_numpy(table[codes]), classes


@dataclass
class Numbers:
    """Numbers for each sample, in some columns.

    Args:
        columns: their names.
        kind: what messages call them, `label` or `given`.
    """

    columns: tuple[str, ...]
    kind: str = "label"
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, cell: Cell, path: Path, name: str) -> None:
        """The numbers of the next sample, which is `name` in the shard at `path`.

        Raises:
            InputError: one is text or infinite, or a given one is missing.
        """
        for column in self.columns:
            value = number(cell(column), column, path, path.parent / name, self.kind)
            if self.kind == "given" and math.isnan(value):
                raise InputError(
                    f"{path}: the given column '{column}' of {name} is empty, expected a number for every image. Fill "
                    "it, or remove the image"
                )
            self.values.append(value)

    def of(self, kept: NDArray[np.int64]) -> Tensor:
        """(M, K) float64, of the samples at `kept`."""
        return torch.from_numpy(np.frombuffer(self.values).reshape(-1, len(self.columns))[kept])


@dataclass
class Wanted:
    """What is collected beside the images: one column of classes, or columns of numbers, and given columns.

    Args:
        labelled: whether labels are wanted; without, none is looked at.
        label: the column of classes, None for the usual one; or the columns of numbers.
        given: the given columns.
    """

    labelled: bool
    label: str | Sequence[str] | None
    given: tuple[str, ...]

    def __post_init__(self) -> None:
        single = self.label is None or isinstance(self.label, str)
        self.classes = Classes() if self.labelled and single else None
        self.values = None if not self.labelled or single else Numbers(tuple(self.label or ()))
        self.known = Numbers(self.given, "given")

    def named(self, columns: Sequence[str], path: Path, usual: str | None = None) -> tuple[str, ...]:
        """The columns to read of those that a shard has: the one of classes first.

        Args:
            columns: of the shard.
            path: of the shard.
            usual: the column of classes, if the shard says which it is.

        Raises:
            InputError: a column does not exist.
        """
        found: list[str] = []
        if self.classes is not None:
            label = str(self.label or "label")
            others = [usual or "", *NAMED] if self.label in CHOSEN else []
            found.append(next((one for one in (label, *others) if one in columns), label))
        found += [*(self.values.columns if self.values else ()), *self.given]
        missing = [name for name in found if name not in columns]
        if missing:
            raise InputError(
                f"{path}: has no column {listed(missing)}, found {listed(columns) or 'none'}. Name the label columns "
                "with --label (label= in Python), and given ones with --given"
            )
        return tuple(found)

    def add(self, cell: Cell, column: str | None, path: Path, name: str) -> None:
        """Take what is wanted of the next sample.

        Args:
            cell: the value of a column.
            column: the one of classes.
            path, name: the shard, and the sample in it.

        Raises:
            InputError: a value is missing, or of the wrong kind.
        """
        if self.classes is not None and column is not None:
            value = cell(column)
            if not is_name(value):
                raise InputError(
                    f"{path}: the label column '{column}' of {name} contains {value!r:.60}, expected a class name"
                )
            self.classes.add(class_name(value))
        if self.values is not None:
            self.values.add(cell, path, name)
        self.known.add(cell, path, name)


class TarLabels:
    """Collects what is wanted of the samples of webdataset shards: fields of their JSON, or members of those names."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._columns: tuple[str, ...] | None = None

    def take(self, name: str, sample: Sample) -> None:
        """Take the next sample, whose image has that name."""
        path = sample.archive.path
        if self._columns is None or not sample.has(self._columns):
            self._columns = self.wanted.named(sample.columns, path / name)
        self.wanted.add(sample.value, self._columns[0] if self.wanted.classes else None, path, name)


def take_rows(wanted: Wanted, table: Table) -> None:
    """Take what is wanted of the rows of a Parquet file."""
    columns = tuple(dict.fromkeys(wanted.named(table.columns, table.path, table.labels)))
    if not columns:
        return
    column = columns[0] if wanted.classes is not None else None
    names = () if column is None else table.classes(column)
    if wanted.classes is not None and not wanted.classes.known:
        wanted.classes.declared = names
    for place, row in enumerate(table.rows(columns)):
        cells = dict(zip(columns, row, strict=True))
        if column is not None and names:
            cells[column] = _declared(cells[column], names, column, table.path, place)
        wanted.add(cells.__getitem__, column, table.path, f"row {place}")


def _declared(value: Any, names: tuple[str, ...], column: str, path: Path, place: int) -> str:
    """The name of a class of Hugging Face, whose number the row has; -1 is for a label that is not published."""
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    raise InputError(
        f"{path}: the label column '{column}' is {value} in row {place}, expected the number of a class, 0 to "
        f"{len(names) - 1}. Leave such rows out"
    )
