"""`synth2real check`: inspects the data before any training."""

from __future__ import annotations

import dataclasses
from typing import Any

from ...comparison.halving import step_seconds
from ...comparison.named_routes import default_routes
from ...data.domains import Labelled, Unlabelled, name_of
from ...data.formats.domains import SeveralInstances
from ...data.given import check_both
from ...measure.data_checks import Findings
from ...measure.data_checks import check as find
from ...networks.pretrained import recommended
from ...route.route import Route
from ...route.run import Budget, default_steps
from ...tasks import TASKS, Task
from ...training.hardware import Hardware
from ..arguments import CheckArguments
from ..console import Result, console, duration, print_result
from ..inputs import load_pair, load_test, one_source, read_both_groups
from .labels import check_folders

SAMPLE = 2000  # images of a simulator that are looked at
TIMED = ("teacher",)  # beside source only
SHOWN = 20  # classes or columns in a line


def check(args: CheckArguments) -> Result:
    """Print each part of the findings when it is known, then time a step. Warnings do not change the exit code."""
    hardware = Hardware.detect(args.device)
    labels = check_folders(args)
    try:
        given, target, layout = load_pair(args)
    except SeveralInstances as error:
        if not labels:
            raise
        console.warn(f"no task of one label an image takes the source, so only its labels were checked. {error}")
        print_result(f"{args.source[0]}: {sum(one['count'] for one in labels['labels']['source']):,} faults of labels")
        return labels
    count = min(args.n or SAMPLE, SAMPLE)
    source = given if isinstance(given, Labelled) else given.labelled(count, args.seed, given=args.given)
    check_both(source, target)
    task = TASKS[args.task].of(source)
    test = load_test(args, task, layout, aligned=False)
    ours, theirs = read_both_groups(args.group, (one_source(args, "check"), given), (args.target, target))
    said: list[str] = []

    def show(section: str, found: Findings) -> None:
        for line in LINES[section](found, target):
            print_result(line)
        for line in found.warnings[len(said) :]:
            console.warn(line)
        said[:] = found.warnings

    found = find(source, target, test, source_groups=ours, target_groups=theirs, on_section=show)
    rendered = len(source) if isinstance(given, Labelled) else args.n or Budget.n
    if source.shape == target.shape:
        found = dataclasses.replace(found, minutes=expected_minutes(source, target, task, rendered, hardware))
    advice = None if task.spatial else recommended(target.shape, rendered)
    if advice is not None:
        print_result(advice)
    kept = {name: value for name, value in found.plain().items() if name != "warnings"}
    return {**kept, **labels, "recommended": advice}


def expected_minutes(
    source: Labelled, target: Unlabelled, task: Task, rendered: int, hardware: Hardware
) -> dict[str, float]:
    """Minutes of one training on this machine, by route, with the default number of steps for data of this size."""
    known = default_routes(task, source, target)
    routes = {"source only": Route()} | {name: known[name] for name in TIMED}
    steps = default_steps(rendered, len(target), task, len(target.shape) == 3)
    minutes = {}
    for name, route in routes.items():
        console.print(f"timing one training step of {name}", soft_wrap=True)
        seconds = steps * step_seconds(route, source, target, task, Budget(hardware=hardware))
        minutes[name] = round(seconds / 60, 2)
        print_result(
            f"one training of {name}: about {duration(seconds)} for {steps:,} steps at the present load of the machine"
        )
    return minutes


def domains(found: Findings, _: Unlabelled) -> list[str]:
    """Size and labels of each domain."""
    return [
        f"{name}: {domain['count']} of {'x'.join(map(str, domain['shape']))}{depth(domain)}{balance(domain)}"
        for name, domain in found.domains.items()
    ]


def duplicates(found: Findings, _: Unlabelled) -> list[str]:
    """Number of near-duplicates within each domain and between domains."""
    return [
        f"near-duplicates, {where}: {len(pairs)} pairs{kinds(found, where)}"
        for where, pairs in found.duplicates.items()
    ]


def kinds(found: Findings, where: str) -> str:
    """What is known of the near-duplicates within a domain, behind their number."""
    count = len(found.duplicates[where])
    if where in found.contradictions:
        return f", {len(found.contradictions[where])} of them with different labels" if count else ""
    return ". If they come from one sequence, name its column with --group" if where == "target" and count else ""


def outliers(found: Findings, target: Unlabelled) -> list[str]:
    """Number and names of the outliers."""
    names = [f"  {name_of(target, i)}" for i in found.outliers[:SHOWN]]
    return [f"outliers in the target: {len(found.outliers)}", *names]


LINES = {"domains": domains, "duplicates": duplicates, "outliers": outliers}


def depth(domain: dict[str, Any]) -> str:
    """Bits per pixel of images of more than 8 bits."""
    return f", read as {domain['depth']} bits" if "depth" in domain else ""


def balance(domain: dict[str, Any]) -> str:
    """Labels of a domain in one line."""
    if "classes" in domain:
        shown = [f"{name} {count}" for name, count in list(domain["classes"].items())[:SHOWN]]
        return f"; classes: {', '.join(shown)}"
    if "masks" in domain:
        shown = [f"{name} {one['share']:.1%}" for name, one in list(domain["masks"].items())[:SHOWN]]
        return f"; masks: {', '.join(shown)} of the pixels, {domain['empty']} empty"
    if "boxes" in domain:
        shown = [f"{name} {one['boxes']:,}" for name, one in list(domain["boxes"].items())[:SHOWN]]
        return f"; boxes: {', '.join(shown)}, {domain['in_an_image']:.1f} in an image, {domain['empty']} images without"
    columns = domain.get("columns", {})
    shown = [f"{name} {c['least']:.3g} to {c['most']:.3g}" for name, c in list(columns.items())[:SHOWN]]
    return f"; columns: {', '.join(shown)}" if shown else ""
