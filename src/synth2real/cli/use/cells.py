"""Cells of CSV files that spreadsheets do not run."""

from __future__ import annotations

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # first characters of a cell that spreadsheets run
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


def harmless(cell: str) -> str:
    """A text that a spreadsheet would run as a formula gets a leading `'`; numbers and other texts stay."""
    return f"'{cell}" if cell.startswith(FORMULA) and not NUMBER.fullmatch(cell) else cell
