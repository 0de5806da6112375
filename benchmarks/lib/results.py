"""Tables of the speed scripts: printed, and stored as one JSON file for each script, beside those of other machines.

The file `results/speed/NAME.json` has its `name` and, under `machines`, newest first, what each machine measured:
`date`, `machine` (`machine.describe`), `versions`, `settings`, `columns` and `rows`. A row has a value for each column:
text, a number, or a spread over rounds (`timing.spread`). It may have a `part`, the name of its own table in the docs,
and an `error`, the reason why there is no figure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.lib.machine import describe, processor, versions
from synth2real.storage import write_text

RESULTS = Path(__file__).parents[1] / "results"
Row = dict[str, Any]
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        key: of its value in a row.
        heading: shown above it.
        whole: show least and most beside the median.
    """

    key: str
    heading: str
    whole: bool = False


ERROR = Column("error", "why there is no figure")


def show(
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    settings: Settings | None = None,
    packages: Sequence[str] = (),
    results: Path = RESULTS,
) -> None:
    """Print the rows and store them in `results` as the latest of this machine, atomically.

    Args:
        name: of the file, such as `speed/refine`.
        settings: of the script, such as the number of rounds.
        packages: whose versions matter.
    """
    measured = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": describe(*packages),
        "versions": versions(*packages),
        "settings": dict(settings or {}),
        "columns": [asdict(column) for column in columns],
        "rows": list(rows),
    }
    print("\n".join(aligned(cells(measured))))
    print(source(measured))
    file = results / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    before = stored(name, results)["machines"]
    key = f"{processor()}; {torch.get_num_threads()} threads"
    machines = {key: measured, **{other: value for other, value in before.items() if other != key}}
    write_text(file, json.dumps({"name": name, "machines": machines}, indent=1, ensure_ascii=False) + "\n")


def stored(name: str, results: Path = RESULTS) -> dict[str, Any]:
    """The content of a results file; without machines if there is none."""
    file = results / f"{name}.json"
    if not file.is_file():
        return {"name": name, "machines": {}}
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def cells(measured: Mapping[str, Any], part: str | None = None) -> list[list[str]]:
    """The texts of a table, headings first. Columns without any value are left out.

    Args:
        measured: what one machine measured.
        part: only the rows of this part; None for all.
    """
    rows = [row for row in measured["rows"] if part is None or row.get("part") == part]
    columns = [Column(**column) for column in measured["columns"]]
    columns = [column for column in [*columns, ERROR] if any(row.get(column.key) is not None for row in rows)]
    return [
        [column.heading for column in columns],
        *([text(row.get(column.key), column.whole) for column in columns] for row in rows),
    ]


def text(value: Any, whole: bool = False) -> str:
    """A value as it is shown: numbers with three digits, thousands with commas, `median (least to most)`."""
    if value is None:
        return ""
    if isinstance(value, dict):
        median = text(value["median"])
        return f"{median} ({text(value['least'])} to {text(value['most'])})" if whole else median
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        size = abs(value)
        return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
    return str(value)


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table for the terminal."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def markdown(table: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    first, *others = [[cell.replace("|", "\\|") for cell in row] for row in table]
    return [f"| {' | '.join(row)} |" for row in (first, ["---"] * len(first), *others)]


def source(measured: Mapping[str, Any]) -> str:
    """Where the figures of a table come from, in one line: machine, versions, settings, date."""
    settings = ", ".join(f"{name} {value}" for name, value in measured["settings"].items() if value is not None)
    return f"{measured['machine']}{f'; {settings}' if settings else ''}; {measured['date']}"
