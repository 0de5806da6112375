"""`synth2real check`: inspects the data before any training."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from ...comparison.halving import measure
from ...comparison.named_routes import default_routes
from ...data.domains import Labelled, Unlabelled
from ...measure.data_checks import Findings
from ...measure.data_checks import check as find
from ...route.route import Budget, Route, default_steps
from ...tasks import TASKS, Task
from ..arguments import CheckArguments
from ..console import console, warnings_on_stderr
from ..inputs import load_pair, load_test, one_source, read_both_groups

SAMPLE = 2000  # images of a simulator that are looked at
TIMED = ("teacher",)  # beside source only
SHOWN = 20  # classes or columns in a line


def check(args: CheckArguments) -> None:
    """Print the findings. Warnings go to stderr and do not change the exit code."""
    with warnings_on_stderr():
        given, target, layout = load_pair(args)
        source = given if isinstance(given, Labelled) else given.labelled(min(args.n or SAMPLE, SAMPLE), args.seed)
        task = TASKS[args.task].of(source)
        test = load_test(args, task, layout, aligned=False)
    ours, theirs = read_both_groups(args.group, (one_source(args, "check"), given), (args.target, target))
    found = find(source, target, test, source_groups=ours, target_groups=theirs)
    rendered = len(source) if isinstance(given, Labelled) else args.n or Budget.n
    if source.shape == target.shape:
        found = dataclasses.replace(found, minutes=expected_minutes(source, target, task, rendered))
    if args.as_json:
        print(json.dumps(found.plain()))
    else:
        show(found, target)
    for line in found.warnings:
        console.print(f"warning: {line}", soft_wrap=True)


def expected_minutes(source: Labelled, target: Unlabelled, task: Task, rendered: int) -> dict[str, float]:
    """Minutes of one training on this machine, by route, with the default number of steps for data of this size."""
    images = len(target.shape) == 3
    known = default_routes(task, source, target)
    routes = {"source only": Route()} | {name: known[name] for name in TIMED}
    steps = default_steps(rendered, len(target), task, images)
    speeds = measure(routes, source, target, task, Budget(), 0.0)
    return {name: round(speed.seconds(steps) / 60, 2) for name, speed in speeds.items()}


def show(found: Findings, target: Unlabelled) -> None:
    """Print the findings as text."""
    for name, domain in found.domains.items():
        print(f"{name}: {domain['count']} of {'x'.join(map(str, domain['shape']))}{balance(domain)}")
    for where, pairs in found.duplicates.items():
        print(f"near-duplicates, {where}: {len(pairs)} pairs")
    print(f"outliers in the target: {len(found.outliers)}")
    for i in found.outliers[:SHOWN]:
        print(f"  {target.names[i] if target.names else i}")
    for name, minutes in found.minutes.items():
        print(f"one training of {name}: roughly {minutes:.1f} minutes at the present load of this machine")


def balance(domain: dict[str, Any]) -> str:
    """Labels of a domain in one line."""
    if "classes" in domain:
        shown = [f"{name} {count}" for name, count in list(domain["classes"].items())[:SHOWN]]
        return f"; classes: {', '.join(shown)}"
    columns = domain.get("columns", {})
    shown = [f"{name} {c['least']:.3g} to {c['most']:.3g}" for name, c in list(columns.items())[:SHOWN]]
    return f"; columns: {', '.join(shown)}" if shown else ""
