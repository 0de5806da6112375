"""`synth2real compare`: routes side by side on the user's own data, and the one to ship."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from torch import Tensor

from ..comparison import Comparison, compare
from ..domains import Labelled, Unlabelled
from ..errors import InputError
from ..groups import read_groups
from ..loading import Channels, Size, load, load_unlabelled, metadata_tables
from ..report import write_report
from ..route import Budget, Route, check_domains
from ..routes import chosen_routes
from ..runs import RunFolder, versions
from ..simulate import Simulator, is_simulator
from ..tasks import TASKS, Classification, Task
from ..trials import write_whole
from . import train
from .chosen import write_chosen
from .console import announce, bars, console, warnings_on_stderr

RESULT = "comparison.json"


@dataclass(frozen=True)
class Request:
    """The arguments of the command, parsed; see `synth2real compare --help`."""

    source: str
    target: Path
    out: Path
    task: str
    label: tuple[str, ...]
    routes: str | None
    test: Path | None
    group: str | None
    minutes: float
    jobs: int
    preset: str | None
    n: int | None
    size: Size | None
    channels: Channels | None
    seed: int
    seeds: int
    skip_bad: bool
    overwrite: bool
    resume: bool
    params: Path | None = None


def run(request: Request) -> None:
    """Load, compare, print the table, and write comparison.json, the chosen run and the report."""
    if request.overwrite and request.resume:
        raise InputError("--overwrite and --resume exclude each other: found both, expected one")
    if not 0 < request.minutes < float("inf"):
        raise InputError(f"--budget is {request.minutes:g}, expected minutes above 0, such as --budget 15")
    with warnings_on_stderr():
        source, target, task = loaded(request)
        test = load_test(request, task)
    groups = read_both_groups(request, source, target)
    images = len(target.shape) == 3
    routes = chosen_routes(request.routes, task, images=images, simulator=not isinstance(source, Labelled))
    for name, route in routes.items():
        try:
            route.check(source, target, task=task)
        except InputError as error:
            raise InputError(f"route '{name}': {error}") from None
    budget = Budget(n=request.n or Budget.n, seed=request.seed)
    settings = described(request, routes, task, budget)
    folder = RunFolder(request.out, settings, overwrite=request.overwrite, resume=request.resume, metrics=False)
    with bars() as shown, warnings_on_stderr(folder.log):
        try:
            comparison = compare(
                routes,
                source,
                target,
                test=test,
                task=task,
                budget=budget,
                seeds=tuple(range(request.seed, request.seed + request.seeds)),
                minutes=request.minutes,
                jobs=request.jobs,
                folder=request.out,
                source_groups=groups[0],
                target_groups=groups[1],
                on_route=lambda name, seed: announce(shown, name, seed),
                on_report=shown.report,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                ": the same command with --resume goes on after the last finished training"
            ) from None
    write(request, comparison, settings)
    for line in (comparison.verdict, *(f"left out: {name}: {why}" for name, why in comparison.diverged.items())):
        folder.log(line)
        console.print(line, soft_wrap=True)
    console.print(f"report: {request.out / 'report.html'}", soft_wrap=True)


def loaded(request: Request) -> tuple[Labelled | Simulator, Unlabelled, Task]:
    """Source, target and task, as `train` takes them."""
    train.check_task(request.task)
    train.check_for_simulators(request.source, request.n, request.preset, request.params)
    target = load_unlabelled(request.target, size=request.size, channels=request.channels, skip_bad=request.skip_bad)
    source = train.load_source(as_training(request), target)
    labelled = source if isinstance(source, Labelled) else source.labelled(200, request.seed)
    check_domains(labelled, target)
    return source, target, TASKS[request.task].of(labelled)


def as_training(request: Request) -> train.Request:
    """The same data as a training would ask for it."""
    return train.Request(
        source=request.source,
        target=request.target,
        out=request.out,
        task=request.task,
        label=request.label,
        rooms={},
        assign=(),
        preset=request.preset,
        params=request.params,
        n=request.n,
        size=request.size,
        channels=request.channels,
        seed=request.seed,
        steps=None,
        skip_bad=request.skip_bad,
        overwrite=request.overwrite,
        resume=request.resume,
    )


def load_test(request: Request, task: Task, *, aligned: bool = True) -> Labelled | None:
    """The labelled real data of --test; scored, never chosen by.

    Args:
        aligned: refuse classes that the source lacks.
    """
    if request.test is None:
        return None
    known: Any = task.settings().get("columns")
    label = (request.label[0] if request.label else None) if isinstance(task, Classification) else tuple(known)
    if isinstance(label, str) and request.test.is_dir() and not metadata_tables(request.test):
        label = None  # classes as folders have no column
    test = load(request.test, label, size=request.size, channels=request.channels, skip_bad=request.skip_bad)
    if aligned and isinstance(task, Classification):
        task.align(test)
    return test


def read_both_groups(
    request: Request, source: Labelled | Simulator, target: Unlabelled
) -> tuple[Tensor | None, Tensor | None]:
    """Groups of source and target by --group; at least one of the two must have that column."""
    if request.group is None:
        return None, None
    ours = read_groups(request.source, request.group, source) if isinstance(source, Labelled) else None
    theirs = read_groups(request.target, request.group, target)
    if ours is None and theirs is None:
        raise InputError(
            f"--group '{request.group}': neither {request.source} nor {request.target} has that column in a metadata "
            "table or .npz, expected it in one of them. Name the column of the person or video"
        )
    return ours, theirs


def described(request: Request, routes: dict[str, Route], task: Task, budget: Budget) -> dict[str, Any]:
    """What the comparison is made by, as plain data for `settings.yaml`."""
    return {
        "source": request.source,
        "target": str(request.target),
        "label": list(request.label) or None,
        "task": {"kind": task.kind, **task.settings()},
        "routes": {name: route.describe() for name, route in routes.items()},
        "test": None if request.test is None else str(request.test),
        "group": request.group,
        "minutes": request.minutes,
        "jobs": request.jobs,
        "batch": budget.batch,
        "preset": request.preset,
        "params": str(request.params) if request.params else None,
        "n": budget.n if is_simulator(request.source) else None,
        "seed": request.seed,
        "seeds": request.seeds,
        "size": list(request.size) if request.size else None,
        "channels": request.channels,
        "hardware": budget.hardware.settings(),
    }


def write(request: Request, comparison: Comparison, settings: dict[str, Any]) -> None:
    """comparison.json, chosen/ and report.html; and the table for the eye."""
    chosen = comparison.chosen
    for entry in comparison.entries:
        for trial in entry.trials:
            trial.run.model.resize, trial.run.model.channels = request.size, request.channels
    kept = {key: value for key, value in settings.items() if key not in ("routes", "minutes", "jobs", "seeds")}
    own = {"route": chosen.route.describe(), "steps": chosen.trials[0].steps, "seed": chosen.trials[0].seed}
    write_chosen(comparison, request.out / "chosen", {**kept, **own})
    write_report(comparison, request.out / "report.html")
    console.print(table(comparison))
    text = json.dumps({**comparison.plain(), "versions": versions()}, indent=2)
    write_whole(request.out / RESULT, text + "\n")


def table(comparison: Comparison) -> Table:
    """The ranking for the eye."""
    name = comparison.metric.replace("_", " ")
    shown = Table("route", "label-free", f"{name}, estimated", f"{name} on --test", "steps", "seeds", "seconds", "")
    for row in comparison.ranking():
        low, high = row["interval"] or (None, None)
        shown.add_row(
            row["name"],
            f"{row['score_label_free']:.3f}",
            "-" if low is None else f"{row['estimate']:.3f} ({low:.3f} to {high:.3f})",
            "-" if row["test_score"] is None else f"{row['test_score']:.3f}",
            str(row["steps"]),
            str(len(row["seeds"])),
            f"{row['seconds']:.0f}",
            "chosen" if row["chosen"] else "predicted to harm" if row["refused"] else "",
        )
    return shown
