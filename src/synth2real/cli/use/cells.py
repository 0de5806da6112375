"""CSV files, and cells of them that spreadsheets do not run."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from ...storage import whole

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # first characters of a cell that spreadsheets run
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


def harmless(cell: str) -> str:
    """A text that a spreadsheet would run as a formula gets a leading `'`; numbers and other texts stay."""
    return f"'{cell}" if cell.startswith(FORMULA) and not NUMBER.fullmatch(cell) else cell


def write_table(path: Path, rows: Iterable[list[str]]) -> None:
    """Write rows as CSV, whole or not at all. File names that are not UTF-8 stay as they are."""
    with whole(path) as partial, partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file).writerows(rows)
