"""`synth2real plan`: what more images of a simulator would buy, without real labels."""

from __future__ import annotations

import json
import time
from typing import Any

import torch
from rich.table import Table

from ...adapt import SourceOnly
from ...comparison.image_curve import CurvePlan, ImageCurve, ImageCurves, check_affordable, seconds_an_image
from ...comparison.named_routes import chosen_routes, with_baselines, with_network
from ...data.domains import Unlabelled
from ...errors import InputError
from ...report.curve_picture import save_curve
from ...route.route import Route
from ...route.run import Budget
from ...route.run_folder import RunFolder
from ...simulate import Simulator, is_simulator
from ...storage import write_text
from ...tasks.base import Task
from ...training.hardware import Hardware
from .. import dry_run
from ..arguments import PlanArguments
from ..console import Result, amount, announce, bars, console, duration, print_result, warnings_on_stderr
from ..inputs import SHOWN, described, load_pair, load_test, one_source, read_both_groups, settle_task
from ..outputs import run_folder, say

RESULT, PICTURE = "plan.json", "curve.png"


def plan(args: PlanArguments) -> Result:
    """Time the simulator, train on fewer and on more images, and say what further ones would buy."""
    began = time.perf_counter()
    name = checked_source(args)
    hardware = Hardware.detect(args.device)
    simulator, target, layout = load_pair(args)
    assert isinstance(simulator, Simulator)
    each = seconds_an_image(simulator, 60 * args.minutes, args.seed, target.given_columns)
    console.print(rendering_words(name, each), soft_wrap=True)
    n = check_affordable(each, args.n, args.seeds, args.minutes, SHOWN)
    task = settle_task(args, simulator, target)
    route = chosen_route(args, task, simulator, target, n, hardware)
    test = load_test(args, task, layout)
    groups = read_both_groups(args.group, (name, simulator), (args.target, target))[1]
    budget = Budget(steps=args.steps, n=n, seed=args.seed, hardware=hardware)
    curves = ImageCurves(route, simulator, target, test, task, budget, groups)
    folder = None if args.out is None else run_folder("plan", args, settings(args, task, route, n), simulator)
    seeds = range(args.seed, args.seed + args.seeds)
    made = curves.plan(each, seeds, 60 * args.minutes - (time.perf_counter() - began))
    lines = plan_words(made, route)
    if args.dry_run:
        writes = () if args.out is None else (RESULT, PICTURE)
        return dry_run.plan(lines, made.seconds, args.out, writes)
    for line in lines:
        tell(folder, line)
    with bars(estimates=False) as shown, warnings_on_stderr(None if folder is None else folder.log):
        found = curves.run(made, args.more, lambda size, seed: announce(shown, size, seed), shown.report)
    return conclude(args, folder, found)


def checked_source(args: PlanArguments) -> str:
    """The name of the simulator. Raise `InputError` where it is none, or the minutes are no time."""
    if not 0 < args.minutes < float("inf"):
        raise InputError(f"--minutes is {args.minutes:g}, expected minutes above 0, such as --minutes 60")
    name = one_source(args, "plan")
    if not is_simulator(name):
        raise InputError(
            f"{name}: is no simulator, and `plan` says what more rendered images would buy. Give the name of a "
            "simulator, module:Class, or the YAML file of a program that renders"
        )
    return name


def chosen_route(
    args: PlanArguments, task: Task, simulator: Simulator, target: Unlabelled, n: int, hardware: Hardware
) -> Route:
    """The route of --route; by default the baseline of `compare`: the source alone, randomized."""
    network: dict[str, Any] = {k: v for k, v in (("network", args.network), ("weights", args.weights)) if v}
    frozen = Route(adapt=SourceOnly(**network)).settled(n, hardware, task).learner.tune == "frozen"
    if args.route is None:
        named, baseline = with_baselines(chosen_routes(None, task, simulator, target, frozen=frozen))
        routes = {baseline: named[baseline]}
    else:
        routes = chosen_routes(args.route, task, simulator, target, frozen=frozen) or {"source only": Route()}
    if len(routes) != 1:
        raise InputError(f"--route {args.route}: found {amount(len(routes), 'route')}, expected one")
    if network:
        routes = {name: route for name, route in with_network(routes, network).items() if name in routes}
    ((name, route),) = routes.items()
    route = route.settled(n, hardware, task)
    try:
        route.check(simulator, target, task=task)
    except InputError as error:
        raise InputError(f"route '{name}': {error}") from None
    return route


def settings(args: PlanArguments, task: Task, route: Route, n: int) -> dict[str, Any]:
    """What the plan is made from, as plain data for `settings.yaml`."""
    return {**described(args, task), "n": n, "route": route.describe(), "minutes": args.minutes, "seeds": args.seeds}


def rendering_words(name: str, each: float) -> str:
    """How long an image takes."""
    return (
        f"{name}: {1000 * each:.3g} ms an image, {1 / each:,.0f} images a second"
        if each < 1
        else (f"{name}: {each:.3g} s an image")
    )


def plan_words(made: CurvePlan, route: Route) -> list[str]:
    """What is trained, and how long it takes."""
    methods = ", ".join(
        f"{stage} {chosen['method']}" for stage, chosen in route.describe().items() if chosen is not None
    )
    sizes = ", ".join(f"{size:,}" for size in made.sizes)
    return [
        f"{sizes} images, {amount(len(made.seeds), 'seed')} of each; route: {methods}",
        f"each training takes the same {made.steps} steps, so that only the number of images differs",
        f"about {duration(made.seconds)} from now",
    ]


def tell(folder: RunFolder | None, line: str) -> None:
    """Print a line, and add it to the log if there is a folder."""
    if folder is None:
        console.print(line, soft_wrap=True)
    else:
        say(folder, line)


def conclude(args: PlanArguments, folder: RunFolder | None, found: ImageCurve) -> Result:
    """Print the table and the verdict, and write plan.json and the picture."""
    print_result(table(found))
    for note in found.notes:
        console.warn(note)
    law = found.curve.law
    lines = [f"error = 1 - score = {law.a:.3g} + {law.b:.3g} n^-{law.c:.2f}, n images"]
    lines.append(f"{found.gain.words}; to render them takes {duration(60 * found.minutes)}")
    for line in lines:
        print_result(line)
    if args.out is not None and folder is not None:
        for line in (*found.notes, *lines):
            folder.log(line)
        write_text(args.out / RESULT, json.dumps(found.plain(), indent=2) + "\n")
        save_curve(found, args.out / PICTURE)
        console.print(f"plan: {args.out / RESULT}, {args.out / PICTURE}", soft_wrap=True)
    return {**found.plain(), "out": args.out}


def table(found: ImageCurve) -> Table:
    """A row for each size."""
    metric = found.task.metric_name
    tested = any(row["test"] for row in found.rows())
    shown = Table("images", "label-free score", f"estimated {metric}", *([f"{metric} on --test"] if tested else []))
    for row in found.rows():
        value, (low, high), estimate = row["score"], row["interval"], row["estimate"]
        cells = [f"{row['images']:,}", f"{value:.3f} ({low:.3f} to {high:.3f})"]
        cells.append("-" if estimate is None else "{:.3f} ({:.3f} to {:.3f})".format(*estimate))
        if tested:
            cells.append(f"{float(torch.tensor(row['test']).mean()):.3f}")
        shown.add_row(*cells)
    return shown
