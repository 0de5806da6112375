"""Metadata tables: `metadata.csv` or `metadata.jsonl`, with one row per image and the column `file_name`."""

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from ...errors import InputError
from ..domains import MOST

TABLES = ("metadata.csv", "metadata.jsonl")
SHOWN = 60  # characters of a wrong line in a message


def rows_of(tables: Sequence[Path], folder: Path, columns: Sequence[str]) -> list[tuple[Path, Path, list[Any]]]:
    """For each row of the tables: the table, the image, and the values of `columns`.

    Raises:
        InputError: a table does not have its format, lacks a column, or lists an image that is not in `folder`.
    """
    found = []
    for table in tables:
        for index, row in enumerate(table_rows(table), start=1):
            missing = [name for name in ("file_name", *columns) if name not in row]
            if missing:
                mend = (
                    "Rename the column of the image paths to 'file_name'"
                    if "file_name" in missing
                    else "Name the label columns with --label (label= in Python)"
                )
                raise InputError(
                    f"{table}: row {index} has no column {listed(missing)}; found the columns {listed(row)}. {mend}"
                )
            found.append((table, named_by(table, row, folder), [row[name] for name in columns]))
    if not found:
        raise InputError(f"{tables[0]}: found no row, expected one row per image")
    return found


def is_file(file: Path) -> bool:
    """Whether there is such a file; False also for a name that no file can have."""
    try:
        return file.is_file()
    except (OSError, ValueError):
        return False


def named_by(table: Path, row: dict[str, Any], folder: Path) -> Path:
    """Path of the image of a table row. Raise `InputError` if it is outside `folder`."""
    file = table.parent / str(row["file_name"])
    inside = Path(os.path.normpath(file))
    if not inside.is_relative_to(os.path.normpath(folder)):
        raise InputError(
            f"{table}: lists {row['file_name']}, which is not in {folder}, expected file_name relative to the table"
        )
    return inside


def table_rows(table: Path) -> list[dict[str, Any]]:
    """Rows of a metadata table, as dicts by column. Raise `InputError` if the file does not have its format."""
    try:
        return _parsed(table)
    except UnicodeDecodeError as error:
        raise InputError(f"{table}: is not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8") from None


def _parsed(table: Path) -> list[dict[str, Any]]:
    with table.open(encoding="utf-8-sig", newline="") as lines:
        if table.suffix == ".csv":
            return _csv_rows(table, lines)
        rows = []
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise InputError(
                        f"{table}: line {number} is not JSON ({error}), expected one object per line"
                    ) from None
                if not isinstance(row, dict):
                    raise InputError(f"{table}: line {number} contains {row!r}, expected an object with file_name")
                rows.append(row)
        return rows


def _csv_rows(table: Path, lines: TextIO) -> list[dict[str, Any]]:
    reader = csv.reader(lines)
    try:
        header = next(reader, [])
        twice = next((name for name in header if header.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{table}: found two columns '{twice}', expected different names")
        if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
            raise InputError(f"{table}: found the header {header[0]!r}, expected columns separated by commas")
        rows = []
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{table}: line {reader.line_num} has {len(cells)} values for {len(header)} columns: "
                    f"{','.join(cells)[:SHOWN]!r}. Is there a decimal comma or a missing quote?"
                )
            rows.append(dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise InputError(
            f"{table}: line {reader.line_num} is not CSV ({error}), expected values separated by commas. Is there a "
            "missing quote?"
        ) from None
    return rows


def number(value: Any, column: str, table: Path, file: Path, kind: str = "label") -> float:
    """A cell as a number; nan if it is empty. Raise `InputError` for text and infinity, with the table and image.

    Args:
        value: the cell.
        column, table, file: of the cell, and the image of its row, for messages.
        kind: what messages call the column, `label` or `given`.
    """
    if value is None or str(value).strip() == "":
        return float("nan")
    of = os.path.relpath(file, table.parent)
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"{table}: the {kind} column '{column}' of {of} contains {value!r}, expected a number. "
            + ("For class names use --task classify" if kind == "label" else "Write numbers, such as 0 and 1 for names")
        ) from None
    if abs(found) > MOST:
        raise InputError(f"{table}: the {kind} column '{column}' of {of} contains {value!r}, expected a finite number")
    return found


def listed(names: Any) -> str:
    """Names in quotes, separated by commas."""
    return ", ".join(f"'{name}'" for name in ([names] if isinstance(names, str) else names))
