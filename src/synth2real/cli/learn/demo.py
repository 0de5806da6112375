"""`synth2real demo`: a comparison of routes on data that the library has or renders."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rich.table import Table

from ...comparison.comparison import Comparison
from ...comparison.comparison import compare as compare_routes
from ...comparison.expected import route_seconds
from ...comparison.named_routes import with_baselines
from ...errors import InputError
from ...report import write_report
from ...route.route import default_task
from ...route.run import Budget
from ...storage import check_writable, emptied, is_empty, make_folder, write_text
from ...training.hardware import Hardware, versions
from .. import dry_run
from ..arguments import DemoArguments
from ..console import Result, amount, announce, bars, console
from ..outputs import write_chosen
from ..provenance import keep_provenance
from .demos import Demo, demo_of


def demo(args: DemoArguments) -> Result:
    """Compare the routes, print the table, and write results.json, the chosen run and the report."""
    out, fast, hardware = args.out, args.fast, Hardware.detect(args.device)
    made = demo_of(args.task, fast)
    clear(args)
    simulator, target, test = made.source, made.target, made.test
    budget = Budget(steps=made.steps, n=made.n, batch=made.batch, hardware=hardware)
    seeds = (0,) if fast else (0, 1, 2)
    # On small images two trainings with one thread each finish sooner than one training with two threads.
    jobs = 1 if fast else min(2, os.cpu_count() or 1)
    named, _ = with_baselines(made.routes)
    # The combination, too; three routes are repeated.
    trainings = len(named) + (made.then is not None) + 3 * (len(seeds) - 1)
    if args.dry_run:
        check_writable(out)
        each = [route_seconds(route, simulator, target, default_task(test), budget) for route in named.values()]
        seconds = sum(once + step * (budget.steps or 0) for once, step in each) * trainings / len(named) / jobs
        lines = [f"{amount(trainings, 'training')} of {budget.steps} steps: {', '.join(named)}"]
        return dry_run.plan(lines, seconds, out, ("results.json", "report.html", "chosen/"))
    with bars(estimates=False) as shown:
        comparison = compare_routes(
            made.routes,
            simulator,
            target,
            test=test,
            budget=budget,
            seeds=seeds,
            then=made.then,
            jobs=jobs,
            on_route=lambda name, seed: announce(shown, name, seed, trainings if jobs > 1 else None),
            on_report=shown.report,
        )
    make_folder(out)
    keep_provenance("demo", args, out, simulator)
    results = write(comparison, out, budget, made.note)
    console.print(table(comparison, made))
    if made.note:
        console.print(made.note)
    console.print(f"chosen without real labels: {comparison.chosen.name}")
    console.print(f"report: {out / 'report.html'}", soft_wrap=True)
    return {**results, "out": out, "report": out / "report.html"}


def clear(args: DemoArguments) -> None:
    """Empty the folder of an earlier demo. Raise `InputError` if it is in use and may not be emptied."""
    out = args.out
    if out.exists() and not is_empty(out):
        if not args.overwrite:
            raise InputError(
                f"{out}: the folder is not empty, expected a new folder. Choose another --out, or pass --overwrite"
            )
        if not (out / "results.json").is_file():
            raise InputError(
                f"{out}: --overwrite found no results.json there, so it is no demo. Choose another --out, "
                "or delete the folder"
            )
        if not args.dry_run:
            emptied(out)


def write(comparison: Comparison, out: Path, budget: Budget, note: str) -> Result:
    """Write results.json, chosen/ and report.html. Returns the content of results.json."""
    chosen = comparison.chosen
    settings = {
        "route": chosen.route.describe(),
        "steps": budget.steps,
        "batch": budget.batch,
        "n": budget.n,
        "seed": chosen.trials[0].seed,
        "hardware": budget.hardware.settings(),
    }
    write_chosen(comparison, out / "chosen", settings)
    results: Result = {"routes": comparison.rows(), "chosen": chosen.name, "versions": versions()}
    write_text(out / "results.json", json.dumps(results, indent=2) + "\n")
    write_report(comparison, out / "report.html", note=note)
    return results


def table(comparison: Comparison, made: Demo) -> Table:
    """The comparison as a table."""
    metric, scored = comparison.metric, f"{comparison.task.metric_name} on {made.where}"
    shown = Table("route", scored, "label-free", "gap before", "gap after", "seconds", "")
    for row in comparison.rows():
        shown.add_row(
            row["name"],
            spread(row[f"{metric}_mean"], row[f"{metric}_std"]),
            f"{row['score_label_free']:.3f}",
            "-" if row["gap_before"] is None else f"{row['gap_before']:.2f}",
            "-" if row["gap_after"] is None else f"{row['gap_after']:.2f}",
            f"{row['seconds']:.0f}",
            "chosen" if row["chosen"] else "",
        )
    return shown


def spread(mean: float, std: Any) -> str:
    """`0.951 ± 0.004`, or only the mean for one seed."""
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ± {std:.3f}"
