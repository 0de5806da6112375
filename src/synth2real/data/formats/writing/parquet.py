"""Parquet: `data.parquet`, a row an image, in the form of Hugging Face `datasets`.

The columns `image` and `mask` hold `bytes` and `path`; the others are those of a table of `image_folder`. In `objects`,
outlines and points of instances are JSON texts, as a column has one type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ....errors import InputError
from ....storage import whole
from ..native import AXES
from ..record import Record, image_bytes
from ..shared.objects import COLUMN
from ..shared.summary import Summary
from .base import Writer, batched
from .image_folder import columns, lost
from .masks import mask_bytes

FILE = "data.parquet"
GROUP = 500  # rows that are in memory at once
TEXTS = ("segmentation", "keypoints")  # of instances, each of another form


def write(records: Iterable[Record], summary: Summary, out: Path) -> None:
    """Write the table. Raise `InputError` if pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{out}: writing Parquet needs pyarrow, which is not installed. Install it with: "
            "pip install 'synth2real[parquet]'"
        ) from None
    numbers, writer, schema = summary.mask_numbers(), None, None
    with whole(out / FILE) as partial:
        try:
            for part in batched(records, GROUP):
                rows = [_row(record, summary, numbers) for record in part]
                if writer is None:
                    schema = _schema(pyarrow, rows[0], summary)
                    writer = pyarrow.parquet.ParquetWriter(partial, schema)
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
        finally:
            if writer is not None:
                writer.close()


def _row(record: Record, summary: Summary, numbers: dict[str, int]) -> dict[str, Any]:
    row = columns(record, summary)
    for name, kinds in summary.kinds.items():
        if len(kinds - {int, float, bool}) and len(kinds) > 1:  # texts and numbers in one column
            row[name] = None if row[name] is None else str(row[name])
    if COLUMN in row:
        for name in TEXTS:
            if name in row[COLUMN]:
                row[COLUMN][name] = [json.dumps(one) for one in row[COLUMN][name]]
    found: dict[str, Any] = {"image": {"bytes": image_bytes(record.image)[0], "path": record.name}}
    if summary.semantic:
        mask = None if record.semantic is None else mask_bytes(record.semantic, numbers)
        found["mask"] = None if mask is None else {"bytes": mask, "path": f"{record.name}.mask.png"}
    return found | row


def _schema(arrow: Any, row: dict[str, Any], summary: Summary) -> Any:
    """The types of the columns; Hugging Face shows `image` and `mask` as pictures."""
    picture = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    points = {name + axis for name in summary.all_points for axis in AXES}
    parts = {"bbox": arrow.list_(arrow.list_(arrow.float64())), "iscrowd": arrow.list_(arrow.int64())}
    kinds: dict[str, Any] = dict.fromkeys(("image", "mask"), picture) | {name: arrow.float64() for name in points}
    for name, found in summary.kinds.items():
        kinds[name] = (
            arrow.string() if found - {int, float, bool} else arrow.float64() if float in found else arrow.int64()
        )
    if COLUMN in row:
        inner = [(name, parts.get(name, arrow.list_(arrow.string()))) for name in _parts(summary)]
        kinds[COLUMN] = arrow.struct(inner)
    return arrow.schema([(name, kinds.get(name, arrow.string())) for name in row])


def _parts(summary: Summary) -> list[str]:
    """The parts of `objects` that some image has."""
    there = {"segmentation": "masks", "keypoints": "points", "iscrowd": "ignored"}
    return ["bbox", "category", *(name for name, count in there.items() if summary.counts[count])]


PARQUET = Writer("parquet", "Parquet table", lost, write)
