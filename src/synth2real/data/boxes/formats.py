"""In which format the boxes of a folder or file lie."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ..formats import NATIVE, Format, coco, format_of
from ..formats.native import IMAGES
from ..formats.shared.objects import COLUMN
from ..reading.discovery import metadata_tables
from ..reading.tables import table_rows

EXPECTED = (
    "COCO JSON, a YOLO folder with data.yaml, Pascal VOC, LabelMe, or another format with boxes; or a metadata table "
    f"with the column '{COLUMN}'"
)


def boxes_format(path: Path, name: str | None = None) -> Format:
    """The format whose records have the boxes of a folder or file.

    What `render` writes has a metadata table, and the boxes in COCO; what `convert` writes has them in the table.

    Args:
        path: that exists.
        name: of the format, from --format; then nothing is looked for.

    Raises:
        InputError: there are no boxes; or as `format_of`.
    """
    kind = format_of(path, name, native=has_objects)
    if kind is not None:
        return kind
    if name == NATIVE or has_objects(path):
        return IMAGES
    above = coco.descriptions(path.parent)
    if above:
        raise InputError(f"{path}: found no boxes, but {above[0]} above it. Give the folder of both, {path.parent}")
    raise InputError(f"{path}: found no boxes, expected {EXPECTED}")


def has_objects(path: Path) -> bool:
    """Whether a table of the folder has a column of objects."""
    return path.is_dir() and any(COLUMN in row for table in metadata_tables(path) for row in table_rows(table))
