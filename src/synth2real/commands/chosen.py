"""The chosen route of a comparison as a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..comparison import Comparison
from ..runs import RunFolder


def write_chosen(comparison: Comparison, path: Path, settings: dict[str, Any]) -> None:
    """Write the chosen route's first run, ready for `predict` and `evaluate`."""
    folder = RunFolder(path, settings, overwrite=True)
    run = comparison.chosen.trials[0].run
    for stage, rows in run.history.items():
        for row in rows:
            folder.report(stage, int(row["step"]), 0, {name: value for name, value in row.items() if name != "step"})
    folder.log(f"chosen without real labels among {', '.join(entry.name for entry in comparison.entries)}")
    folder.keep(run)
    folder.finish(run.model)
