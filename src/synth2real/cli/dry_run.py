"""`--dry-run`: everything is loaded and checked, and the plan is said; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .config_file import CONFIG
from .console import Result, duration, print_result


def plan(lines: Sequence[str], seconds: float, out: Path | None, writes: Sequence[str] = ()) -> Result:
    """Print what a command would do, and return it.

    Args:
        lines: the data, the stages and their steps.
        seconds: that it would take, after the loading.
        out: the output; None if nothing is written.
        writes: what would be in an output folder.
    """
    place = f"{out}: {', '.join((*writes, CONFIG))}" if writes else "nothing" if out is None else str(out)
    for line in (
        *lines,
        f"would take about {duration(seconds)} after loading",
        f"would write {place}",
        "dry run: all was checked, and nothing was written",
    ):
        print_result(line)
    return {"dry_run": True, "plan": list(lines), "minutes": round(seconds / 60, 2), "out": out}
