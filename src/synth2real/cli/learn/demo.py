"""`synth2real demo`: a comparison from rendered digits to the real handwriting that scikit-learn ships."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from ...adapt import DANN, Objective, Teacher
from ...calibrate import Posterior
from ...comparison.comparison import Comparison
from ...comparison.comparison import compare as compare_routes
from ...comparison.expected import route_seconds
from ...comparison.named_routes import with_baselines
from ...datasets import handwriting
from ...errors import InputError
from ...randomize import Geometric, Widen
from ...refine import SimGAN
from ...report import write_report
from ...route.route import Route
from ...route.run import Budget
from ...simulate import Digits
from ...storage import check_writable, emptied, is_empty, make_folder, write_text
from ...tasks import Classification
from ...training.hardware import Hardware, versions
from .. import dry_run
from ..arguments import DemoArguments
from ..console import Result, amount, announce, bars, console
from ..outputs import write_chosen
from ..provenance import keep_provenance

STEPS, FAST_STEPS = 1000, 150
# Images of 8 x 8 pixels show little except shape, so shape is randomized more than usual. Every digit fills the frame.
MOVED = Geometric(strength=0.7, scale=0.2)


def routes(fast: bool) -> dict[str, Route]:
    """Each way across the gap by itself."""
    alone = {
        "calibrated": Route(calibrate=Posterior()),
        "randomized": Route(randomize=MOVED),
        "refined": Route(refine=SimGAN()),
        "dann": Route(randomize=MOVED, adapt=DANN()),
        "teacher": Route(randomize=MOVED, adapt=teacher()),
    }
    return {name: alone[name] for name in ("calibrated", "teacher")} if fast else alone


def teacher() -> Teacher:
    """The forms hold each digit equally often, as the renders do. That is known without any label."""
    return Teacher(alignment="exact")


def combination(ranked: Sequence[str]) -> dict[str, Route]:
    """Calibrated and randomized, with the better of the two adaptations.

    The ranges are widened after calibration, because the calibration matches the mean of a few writers only.
    """
    adaptations: dict[str, Objective] = {"dann": DANN(), "teacher": teacher()}
    name = next(name for name in ranked if name in adaptations)
    return {
        f"calibrated + randomized + {name}": Route(
            calibrate=Posterior(), widen=Widen(factor=1.5), randomize=MOVED, adapt=adaptations[name]
        )
    }


def demo(args: DemoArguments) -> Result:
    """Compare the routes, print the table, and write results.json, the chosen run and the report."""
    out, fast, hardware = args.out, args.fast, Hardware.detect(args.device)
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
    target, test = handwriting()
    simulator = Digits(size=(8, 8))
    budget = Budget(steps=FAST_STEPS if fast else STEPS, n=2000 if fast else 5000, hardware=hardware)
    seeds = (0,) if fast else (0, 1, 2)
    # On small images two trainings with one thread each finish sooner than one training with two threads.
    jobs = 1 if fast else min(2, os.cpu_count() or 1)
    named, _ = with_baselines(routes(fast))
    trainings = len(named) + 1 + 3 * (len(seeds) - 1)  # the combination, too; three routes are repeated
    if args.dry_run:
        check_writable(out)
        each = [route_seconds(route, simulator, target, Classification.of(test), budget) for route in named.values()]
        seconds = sum(once + step * (budget.steps or 0) for once, step in each) * trainings / len(named) / jobs
        lines = [f"{amount(trainings, 'training')} of {budget.steps} steps: {', '.join(named)}"]
        return dry_run.plan(lines, seconds, out, ("results.json", "report.html", "chosen/"))
    with bars(estimates=False) as shown:
        comparison = compare_routes(
            routes(fast),
            simulator,
            target,
            test=test,
            budget=budget,
            seeds=seeds,
            then=combination,
            jobs=jobs,
            on_route=lambda name, seed: announce(shown, name, seed, trainings if jobs > 1 else None),
            on_report=shown.report,
        )
    make_folder(out)
    keep_provenance("demo", args, out, simulator)
    results = write(comparison, out, budget)
    console.print(table(comparison))
    console.print(f"chosen without real labels: {comparison.chosen.name}")
    console.print(f"report: {out / 'report.html'}", soft_wrap=True)
    return {**results, "out": out, "report": out / "report.html"}


def write(comparison: Comparison, out: Path, budget: Budget) -> Result:
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
    write_report(comparison, out / "report.html")
    return results


def table(comparison: Comparison) -> Table:
    """The comparison as a table."""
    shown = Table("route", "accuracy on real", "label-free", "gap before", "gap after", "seconds", "")
    for row in comparison.rows():
        shown.add_row(
            row["name"],
            spread(row["accuracy_mean"], row["accuracy_std"]),
            f"{row['score_label_free']:.3f}",
            f"{row['gap_before']:.2f}",
            f"{row['gap_after']:.2f}",
            f"{row['seconds']:.0f}",
            "chosen" if row["chosen"] else "",
        )
    return shown


def spread(mean: float, std: Any) -> str:
    """`0.951 ± 0.004`, or only the mean for one seed."""
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ± {std:.3f}"
