"""Folders of images with a metadata table, as Hugging Face `datasets` reads them, and as `load` does.

A column for each image-level label; of a set with one instance an image also its category as `label`, and its points as
`NAME_x` and `NAME_y`. Instances are in the column `objects`, and semantic masks beside the images.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ....storage import whole, write_text
from ...reading.discovery import MASK
from ..domains import alone
from ..native import AXES, MASK_CLASSES, OBJECT
from ..record import UNSEEN, Record
from ..shared.objects import COLUMN, packed
from ..shared.summary import LABEL, Summary
from .base import Lost, Names, Writer, unnamed, write_image
from .masks import mask_bytes, mask_file

TABLE = "metadata.jsonl"


def lost(summary: Summary) -> Lost:
    """What a table cannot hold."""
    return unnamed(summary)


def write(records: Iterable[Record], summary: Summary, out: Path) -> None:
    """Write the images, their masks, and the table."""
    names, numbers = Names(), summary.mask_numbers()
    with whole(out / TABLE) as partial, partial.open("w", encoding="utf-8") as table:
        for record in records:
            file = write_image(record, out, names.of(record))
            if record.semantic is not None:
                with whole(mask_file(file, MASK)) as mask:
                    mask.write_bytes(mask_bytes(record.semantic, numbers))
            row = {"file_name": file.relative_to(out).as_posix(), **columns(record, summary)}
            table.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    if summary.semantic:
        write_text(out / MASK_CLASSES, json.dumps({str(number): name for name, number in numbers.items()}, indent=1))


def columns(record: Record, summary: Summary) -> dict[str, Any]:
    """The labels of an image as a row of a table. All rows of a set have the same columns."""
    row: dict[str, Any] = {name: record.values.get(name) for name in summary.columns}
    if summary.most <= 1:
        one = alone(record)
        if LABEL not in row and set(summary.categories) - {OBJECT}:
            row[LABEL] = None if one is None else one.category
        for name in summary.all_points:
            point = None if one is None else one.points.get(name)
            unseen = point is None or point.visibility == UNSEEN
            places = (None, None) if point is None or unseen else (point.x, point.y)
            row |= {name + axis: place for axis, place in zip(AXES, places, strict=True)}
    if _needs_objects(summary):
        row[COLUMN] = packed([one for one in record.instances if one.category is not None], *record.sides)
    return row


def _needs_objects(summary: Summary) -> bool:
    """Whether there is more of an instance than its category and points that are visible."""
    return summary.most > 1 or any(summary.counts[name] for name in ("boxes", "masks", "ignored", "hidden points"))


IMAGE_FOLDER = Writer("imagefolder", "images with metadata.jsonl", lost, write)
