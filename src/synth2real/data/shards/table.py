"""Parquet shards: tables with a column of images, read row group by row group.

The images are packed bytes, `{"bytes": ..., "path": ...}` as Hugging Face writes them, or paths relative to the file.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..reading.tables import listed
from .members import BUFFER_BYTES, Shard

GROUP_BYTES = 2**28  # most bytes of the images of a row group, which are in memory at once
ROWS = 1024  # whose labels are in memory at once
USUAL = ("image", "img", "png", "jpg")  # names of the column of images, where several may be it
PATHS = ("image", "file_name", "path", "file")  # columns of paths, where no column holds images


@dataclass
class Table:
    """A Parquet file: its schema and its columns.

    Args:
        path: of the file.

    Raises:
        InputError: it is none, or the package is missing.
    """

    path: Path

    @cached_property
    def file(self) -> Any:
        """The open file, of pyarrow."""
        return parquet(self.path).ParquetFile(self.path)

    def __post_init__(self) -> None:
        try:
            self.columns: list[str] = self.file.schema_arrow.names
        except (OSError, ValueError) as error:  # those of pyarrow are among them
            raise InputError(
                f"{self.path}: is no whole Parquet file ({_first_line(error)}), expected one. Was its writer "
                "interrupted? Write it again"
            ) from None

    @cached_property
    def features(self) -> dict[str, Any]:
        """What Hugging Face says of the columns; empty where it has not written the file."""
        try:
            said = json.loads(self.file.schema_arrow.metadata[b"huggingface"])["info"]["features"]
            return said if isinstance(said, dict) else {}
        except (KeyError, TypeError, ValueError):
            return {}

    @property
    def images(self) -> str:
        """The column of images.

        Raises:
            InputError: there is none, or there are several.
        """
        schema = self.file.schema_arrow
        found = [name for name in self.columns if _holds_images(schema.field(name).type)]
        named = [name for name, feature in self.features.items() if _kind(feature) == "Image" and name in found]
        found = named or found or [name for name in PATHS if name in self.columns][:1]
        if len(found) > 1:
            found = next(([name] for name in USUAL if name in found), found)
        if len(found) == 1:
            return found[0]
        what = f"the columns {listed(found)} that may all be images" if found else "no column of images"
        raise InputError(
            f"{self.path}: found {what} among {listed(self.columns)}, expected one column of bytes, or of bytes and "
            "path. Call it 'image'"
        )

    @property
    def labels(self) -> str | None:
        """The only column of class labels of Hugging Face; None if there is none, or several."""
        found = [name for name, feature in self.features.items() if _kind(feature) == "ClassLabel"]
        return found[0] if len(found) == 1 and found[0] in self.columns else None

    def classes(self, column: str) -> tuple[str, ...]:
        """Names of the classes that the numbers of a column stand for; empty if it is not said."""
        feature = self.features.get(column) or {}
        return tuple(map(str, feature["names"])) if _kind(feature) == "ClassLabel" and feature.get("names") else ()

    def groups(self) -> list[int]:
        """Number of rows of each row group."""
        meta = self.file.metadata
        return [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]

    def most_bytes(self, column: str) -> int:
        """Bytes of the column in the largest row group, when it is in memory."""
        meta, most = self.file.metadata, 0
        for i in range(meta.num_row_groups):
            group = meta.row_group(i)
            chunks = (group.column(j) for j in range(group.num_columns))
            size = sum(one.total_uncompressed_size for one in chunks if one.path_in_schema.split(".")[0] == column)
            most = max(most, size)
        return most

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The values of some columns, row by row."""
        for batch in self.file.iter_batches(ROWS, columns=list(columns)):
            held = {name: batch.column(name).to_pylist() for name in columns}
            yield from zip(*(held[name] for name in columns), strict=True)

    def paths(self, column: str) -> Iterator[str | None]:
        """The path that each row of the column of images has; None where it has none."""
        kind, types = self.file.schema_arrow.field(column).type, import_module("pyarrow.types")
        inner = types.is_struct(kind) and any(kind.field(i).name == "path" for i in range(kind.num_fields))
        if inner or types.is_string(kind) or types.is_large_string(kind):
            for batch in self.file.iter_batches(ROWS, columns=[f"{column}.path" if inner else column]):
                for value in batch.column(0).to_pylist():
                    yield value["path"] if isinstance(value, dict) else value
        else:
            yield from [None] * sum(self.groups())


def parquet(path: Path) -> Any:
    """The module that reads Parquet. Raise `InputError` where the package is missing."""
    try:
        return import_module("pyarrow.parquet")
    except ImportError:
        raise InputError(f"{path}: needs the package pyarrow. Install it: pip install 'synth2real[parquet]'") from None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _kind(feature: Any) -> str | None:
    return feature.get("_type") if isinstance(feature, dict) else None


def _holds_images(kind: Any) -> bool:
    """Whether a column of this type holds packed bytes."""
    types = import_module("pyarrow.types")
    if types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


@dataclass
class Groups:
    """Row groups in memory, those that were read last: no more than two buffers of them, so that training reads each
    once an epoch."""

    most: int = 2 * BUFFER_BYTES
    held: OrderedDict[tuple[Path, int], Any] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, path: Path, group: int, column: str) -> Any:
        """A column of a row group, as an array of pyarrow."""
        with self.lock:
            key = (path, group)
            if key not in self.held:
                self.held[key] = parquet(path).ParquetFile(path).read_row_group(group, columns=[column]).column(0)
                while len(self.held) > 1 and sum(one.nbytes for one in self.held.values()) > self.most:
                    self.held.popitem(last=False)
            self.held.move_to_end(key)
            return self.held[key]

    def __reduce__(self) -> tuple[Any, ...]:
        return Groups, (self.most,)


class ParquetShard(Shard):
    """The images of a Parquet file.

    Args:
        table: the file.
        groups: keeps row groups, for all files of a set.

    Raises:
        InputError: it has no column of images, or its row groups are too large to be read one at a time.
    """

    def __init__(self, table: Table, groups: Groups) -> None:
        self.path, self.column, self.groups = table.path, table.images, groups
        self.lengths = table.groups()
        self.starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])
        self.size = table.most_bytes(self.column)
        if self.size > GROUP_BYTES:
            raise InputError(
                f"{self.path}: has row groups with up to {self.size / 1e6:.0f} MB of images, expected at most "
                f"{GROUP_BYTES / 1e6:.0f} MB, because one is read at a time. Write it with fewer rows in each "
                "(row_group_size=), or convert it: synth2real convert"
            )

    def __len__(self) -> int:
        return int(self.starts[-1])

    def packed(self, place: int) -> bytes:
        group = int(np.searchsorted(self.starts, place, "right")) - 1
        value = self.groups.read(self.path, group, self.column)[place - int(self.starts[group])].as_py()
        return bytes_of(value, self.path.parent)

    def name(self, place: int) -> str:
        return f"{place:06d}"

    def runs(self) -> list[int]:
        return [length for length in self.lengths if length]

    def bytes_of_run(self) -> int:
        return self.size


def bytes_of(value: Any, folder: Path) -> bytes:
    """The bytes of an image in any form that a column may have.

    Args:
        value: the cell: bytes, a path, `{"bytes": ..., "path": ...}` or None.
        folder: that paths start from.

    Raises:
        ValueError: there is none, or no such file below the folder.
    """
    if isinstance(value, dict):
        value = value.get("bytes") if value.get("bytes") is not None else value.get("path")
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError(f"found {'None' if value is None else type(value).__name__}, expected an image")
    file = (folder / value).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise ValueError(f"found the path {value}, expected bytes, or a file below {folder}")
    return file.read_bytes()
