"""What a comparison has made as run folders: the chosen route, and all routes as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...comparison.comparison import Comparison
from ...route.run_folder import RunFolder


def write_chosen(comparison: Comparison, path: Path, settings: dict[str, Any]) -> None:
    """Write the chosen route's first run, ready for `predict` and `evaluate`."""
    folder = RunFolder(path, settings, overwrite=True)
    run = comparison.chosen.trials[0].run
    for stage, rows in run.history.items():
        for row in rows:
            folder.report(stage, int(row["step"]), 0, {name: value for name, value in row.items() if name != "step"})
    folder.log(f"chosen without real labels among {', '.join(candidate.name for candidate in comparison.candidates)}")
    folder.keep(run)
    folder.finish(run.model)


def write_aggregates(comparison: Comparison, path: Path, settings: dict[str, Any]) -> None:
    """Write each aggregate to a folder of its name below `path`, ready for `predict` and `evaluate`."""
    for one in comparison.aggregates:
        folder = RunFolder(path / one.name, {**settings, "members": list(one.members)}, overwrite=True, metrics=False)
        folder.log(f"{one.name} of {', '.join(one.members)}; never chosen, see docs/validators.md")
        folder.finish(one.model)
