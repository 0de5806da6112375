"""Parquet files as records: a column of images as Hugging Face writes it, and columns of labels.

`load` reads them where they lie, see `data.shards`; the records are for `convert` and `check`. Instances are a column
`instances` of JSON, as in webdataset shards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..reading.class_names import class_name, natural_key
from ..shards.loading import PARQUET, is_sharded, raising, shard_files
from ..shards.table import Table, bytes_of, parquet
from .base import Format
from .record import Packed, Record, Value
from .webdataset import INSTANCES, described, in_shards, instances_of, packed

SHARD = 20_000  # images of a file
ROWS = 256  # images of a row group, which is read at once
IMAGE, LABEL = "image", "label"


def found(path: Path) -> bool:
    """Whether it is a Parquet file, or a folder of such files alone."""
    files = list(path.iterdir()) if path.is_dir() else [path]
    return is_sharded(path) and any(file.name.lower().endswith(PARQUET) for file in files)


def read(path: Path) -> Iterator[Record]:
    """The rows of all files, in order. Row groups may be of any size.

    Raises:
        InputError: a file is damaged, or has no column of images.
    """
    for shard in shard_files(path, raising):
        table = Table(shard)
        column = table.images
        for place, row in enumerate(table.rows(tuple(table.columns))):
            cells = dict(zip(table.columns, row, strict=True))
            held = cells.pop(INSTANCES, None) if isinstance(cells.get(INSTANCES), str | None) else None
            values = {name: _value(value, table.classes(name)) for name, value in cells.items() if name != column}
            instances = tuple(instances_of(_parsed(held), f"{shard}: row {place}"))
            image = Cell(f"{shard}: row {place}", cells[column], shard.parent)
            yield Record(f"{shard.stem}/{place:06d}{image.suffix}", image, None, values, instances, described=shard)


class Cell(Packed):
    """The image of a row."""

    def __init__(self, name: str, value: Any, folder: Path) -> None:
        path = value.get("path") if isinstance(value, dict) else value if isinstance(value, str) else None
        super().__init__(name, Path(path or ".png").suffix.lower() or ".png")
        self.value, self.folder = value, folder

    def packed(self) -> bytes:
        return bytes_of(self.value, self.folder)


def _parsed(text: str | None) -> Any:
    try:
        return [] if text is None else json.loads(text)
    except ValueError:
        return text


def _value(value: Any, classes: tuple[str, ...]) -> Value:
    if classes and isinstance(value, int):
        return classes[value] if 0 <= value < len(classes) else None
    return value if isinstance(value, str | int | float | None) else None


@dataclass(frozen=True)
class Columns:
    """The columns of the files of a set: all have the same.

    Args:
        names: of the labels, in order.
        classes: of the column `label`, in natural order; empty if it is none of classes.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, records: Iterable[Record]) -> Columns:
        """The columns of all records, and their classes. It goes through all of them."""
        names: dict[str, None] = {}
        classes: set[str] | None = set()
        for record in records:
            labels = described(record)
            names |= dict.fromkeys(labels)
            label = labels.get(LABEL)
            if classes is not None and isinstance(label, str | int):
                classes.add(class_name(label))
            elif LABEL in labels:
                classes = None
        return cls(tuple(names), tuple(sorted(classes or (), key=natural_key)))


def write(records: Iterable[Record], out: Path, columns: Columns, shard: int = SHARD) -> int:
    """Write records as files `000000.parquet` and so on, each whole or not at all.

    The column `image` has bytes and path, and a column `label` of classes is that of numbers and names, as the package
    `datasets` writes them.

    Args:
        records: which may be more than memory holds, up to a file of them. Image files are written as they are.
        out: folder, which is created if it does not exist.
        columns: of all records, see `Columns.of`.
        shard: images of a file.

    Returns:
        The number of rows.

    Raises:
        InputError: a record has a column that is not named, or values of two kinds are in a column; pyarrow is missing.
        WriteError: the disk is full, or the folder cannot be written.
    """
    return in_shards(records, out, ".parquet", shard, lambda part, path: write_file(part, path, columns))


def write_file(records: Iterable[Record], path: Path, columns: Columns) -> None:
    """Write one file, row group by row group."""
    module, arrow = parquet(path), import_module("pyarrow")
    writer = None
    try:
        part: list[Record] = []
        for record in records:
            part.append(record)
            if len(part) == ROWS:
                writer = _written(part, path, columns, writer, module, arrow)
                part = []
        if part:
            writer = _written(part, path, columns, writer, module, arrow)
    finally:
        if writer is not None:
            writer.close()


def _written(records: list[Record], path: Path, columns: Columns, writer: Any, module: Any, arrow: Any) -> Any:
    """Write a row group; the first one opens the file."""
    cells: dict[str, list[Any]] = {IMAGE: []}
    for record in records:
        content, suffix = packed(record)
        cells[IMAGE].append({"bytes": content, "path": str(Path(record.name).with_suffix(suffix))})
        labels = described(record)
        unknown = next((name for name in labels if name not in columns.names), None)
        if unknown is not None or IMAGE in labels:
            raise InputError(f"{record.name}: has the column '{unknown or IMAGE}', expected one of {columns.names}")
        for name in columns.names:
            cells.setdefault(name, []).append(_cell(labels.get(name), name, columns))
    schema = _schema(columns, cells, arrow) if writer is None else writer.schema
    try:
        table = arrow.table({name: arrow.array(cells[name], schema.field(name).type) for name in schema.names}, schema)
    except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
        raise InputError(
            f"{records[0].name} and those after it: a column has values of two kinds ({error}), expected numbers or "
            "texts"
        ) from None
    writer = module.ParquetWriter(path, schema) if writer is None else writer
    writer.write_table(table)
    return writer


def _cell(value: Any, name: str, columns: Columns) -> Any:
    if name == LABEL and columns.classes:
        return None if value is None else columns.classes.index(class_name(value))
    return json.dumps(value) if name == INSTANCES and value is not None else value


def _schema(columns: Columns, cells: dict[str, list[Any]], arrow: Any) -> Any:
    """The types of the columns, and what Hugging Face says of them."""
    kinds: dict[str, Any] = {IMAGE: arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])}
    features: dict[str, Any] = {IMAGE: {"_type": "Image"}}
    for name in columns.names:
        if name == LABEL and columns.classes:
            kinds[name], features[name] = arrow.int64(), {"names": list(columns.classes), "_type": "ClassLabel"}
            continue
        texts = any(isinstance(cell, str) for cell in cells[name])
        kinds[name] = arrow.string() if texts else arrow.float64()
        features[name] = {"dtype": "string" if texts else "float64", "_type": "Value"}
    said = json.dumps({"info": {"features": features}}).encode()
    return arrow.schema(list(kinds.items()), metadata={b"huggingface": said})


PARQUET_FILES = Format("parquet", "Parquet files", found, read)
