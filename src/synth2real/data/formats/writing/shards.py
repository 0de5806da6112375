"""Webdataset shards and Parquet files, as `formats.webdataset` and `formats.parquet` write them.

Beside the instances, each image has the columns that a table of `image_folder` has, so that `load` finds the label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from .. import parquet, webdataset
from ..record import Record
from ..shared.objects import COLUMN
from ..shared.summary import LABEL, Summary
from .base import Lost, Names, Writer, unnamed
from .image_folder import columns


def lost(summary: Summary) -> Lost:
    """What shards do not hold."""
    count = summary.counts["semantic"]
    return [*unnamed(summary), *([f"{count:,} masks of classes"] if count else [])]


def flat(records: Iterable[Record], summary: Summary) -> Iterator[Record]:
    """The records with all columns of the set, instances of named categories, and names that are keys."""
    names = Names()
    for record in records:
        row = {name: value for name, value in columns(record, summary).items() if name != COLUMN}
        instances = tuple(one for one in record.instances if one.category is not None)
        suffix = Path(record.name).suffix
        yield replace(record, name=f"{names.of(record)}{suffix}", values=row, instances=instances)


def write_webdataset(records: Iterable[Record], summary: Summary, out: Path) -> None:
    """Write the shards."""
    webdataset.write(flat(records, summary), out)


def write_parquet(records: Iterable[Record], summary: Summary, out: Path) -> None:
    """Write the files. Their columns are those of the whole set."""
    row = columns(Record("", out, (1, 1)), summary)
    names = [name for name in row if name != COLUMN] + ([webdataset.INSTANCES] if summary.counts["instances"] else [])
    classes = summary.labels if LABEL in summary.columns else summary.classes if LABEL in row else []
    parquet.write(flat(records, summary), out, parquet.Columns(tuple(names), tuple(classes)))


WEBDATASET = Writer("webdataset", "webdataset shards", lost, write_webdataset)
PARQUET = Writer("parquet", "Parquet files", lost, write_parquet)
