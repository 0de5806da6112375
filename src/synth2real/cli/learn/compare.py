"""`synth2real compare`: trains routes side by side on the user's own data and chooses one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.table import Table

from ...adapt import SourceOnly
from ...comparison.comparison import Comparison, planned
from ...comparison.comparison import compare as compare_routes
from ...comparison.halving import FINALISTS, Plan
from ...comparison.named_routes import chosen_routes, is_file, paints_backgrounds, with_network
from ...comparison.pool import check_names
from ...data.domains import Labelled, Unlabelled
from ...data.reading.pixels import Conversion
from ...data.sparse import Layout
from ...errors import InputError, WriteError
from ...measure.backgrounds import lacks_backgrounds
from ...measure.data_checks import counted
from ...networks.pretrained import has_weights, recommended
from ...report import write_report
from ...route.route import Route
from ...route.run import Budget
from ...select.validators import named as find_validator
from ...simulate import Simulator
from ...storage import write_text
from ...tasks.base import Task
from ...training.correction import Correction
from ...training.hardware import Hardware, versions
from .. import dry_run
from ..arguments import CompareArguments
from ..console import Result, amount, announce, bars, console, duration, warnings_on_stderr
from ..few_labels import Grouped, has_column, keep_correction, plain_few_labels, read_for_training, warn_of_test
from ..inputs import conversion_of, described, load_pair, load_test, one_source, read_both_groups, settle_task
from ..outputs import check_overwrite_or_resume, run_folder, say, write_aggregates, write_chosen

RESULT, AGGREGATES = "comparison.json", "aggregates"
PAINTS = (
    "the source shows its objects on a background of one colour, and the target does not: the randomization paints "
    "backgrounds"
)


def compare(args: CompareArguments) -> Result:
    """Load, compare, print the table, and write comparison.json, the chosen run and the report."""
    check_overwrite_or_resume(args.overwrite, args.resume)
    if not 0 < args.minutes < float("inf"):
        raise InputError(f"--budget is {args.minutes:g}, expected minutes above 0, such as --budget 15")
    name, hardware = one_source(args, "compare"), Hardware.detect(args.device)
    source, target, layout = load_pair(args)
    task = settle_task(args, source, target)
    test = load_test(args, task, layout)
    few = few_labels_of(args, task, source, target, layout)
    warn_of_test(few[0], test)
    validator = None if args.validator is None else find_validator(args.validator, task)
    routes = checked_routes(args, task, source, target, hardware)
    groups = read_both_groups(args.group, (name, source), (args.target, target))
    budget = Budget(n=args.n or Budget.n, seed=args.seed, hardware=hardware)
    settings = settings_of(args, routes, task, budget)
    folder = run_folder("compare", args, settings, source)
    known = {**common(args), "test": test, "task": task, "budget": budget}
    known |= {"source_groups": groups[0], "target_groups": groups[1]}
    first = announcements(args, routes, task, source, target)
    if args.dry_run:
        for line in first:
            console.print(line, soft_wrap=True)
        return dry_plan(args, *planned(routes, source, target, **known))
    for line in first:
        say(folder, line)
    with bars(estimates=False) as shown, warnings_on_stderr(folder.log), interruptible():
        comparison = compare_routes(
            routes,
            source,
            target,
            **known,
            folder=args.out,
            validator=validator,
            on_route=lambda name, seed: announce(shown, name, seed),
            on_report=shown.report,
            on_plan=lambda plan, seconds: say(folder, plan_words(plan, seconds)),
        )
    keep_conversion(comparison, conversion_of(args, source, target), layout)
    _, correction = keep_correction(folder, comparison.chosen.trials[0].run.model, few, target)
    few_labels = None if correction is None else correction.plain()
    write(args, comparison, settings, correction)
    for line in conclusions(comparison):
        say(folder, line)
    report, chosen = args.out / "report.html", args.out / "chosen"
    console.print(f"report: {report}", soft_wrap=True)
    return {**comparison.plain(), "few_labels": few_labels, "out": args.out, "chosen_run": chosen, "report": report}


def common(args: CompareArguments) -> dict[str, Any]:
    """What the comparison and its plan both take from the options."""
    return {
        "seeds": tuple(range(args.seed, args.seed + args.seeds)),
        **({} if args.validator is None else {"validator": args.validator}),
        "minutes": args.minutes,
        "jobs": args.jobs,
        "engine": args.engine,
        "on_timing": lambda what: console.print(f"timing {what}", soft_wrap=True),
    }


def dry_plan(args: CompareArguments, made: Plan, seconds: float) -> Result:
    """What the comparison would train, and how long."""
    lines = [f"routes: {', '.join(made.speeds)}", plan_words(made, seconds)]
    return dry_run.plan(lines, seconds, args.out, (RESULT, "report.html", "chosen/", f"{AGGREGATES}/", "trials/"))


def keep_conversion(comparison: Comparison, conversion: Conversion, layout: Layout | None) -> None:
    """Store with every model how its data was loaded."""
    trained = [trial.run.model for candidate in comparison.candidates for trial in candidate.trials]
    for model in (*trained, *(one.model for one in comparison.aggregates)):
        model.conversion, model.layout = conversion, layout


def few_labels_of(
    args: CompareArguments, task: Task, source: Labelled | Simulator, target: Unlabelled, layout: Layout | None
) -> Grouped:
    """The few labels and the groups of the target; --group serves them only if they have that column."""
    group = args.group
    if group is not None and (args.few_labels is None or not has_column(args.few_labels, group)):
        group = None
    return read_for_training(args, group, task, source, target, layout)


def checked_routes(
    args: CompareArguments, task: Task, source: Labelled | Simulator, target: Unlabelled, hardware: Hardware
) -> dict[str, Route]:
    """The routes to compare, settled, each of which serves the data."""
    network: dict[str, Any] = {
        name: value for name, value in (("network", args.network), ("weights", args.weights)) if value
    }
    if network and args.routes is not None and is_file(args.routes):
        name = next(iter(network))
        raise InputError(
            f"found --{name} and --routes {args.routes}, whose routes have settings of their own. Write it into each "
            f"route, such as 'mine: {{adapt: {{method: dann, {name}: {network[name]}}}}}'"
        )
    count = images_of(args, source)
    frozen = Route(adapt=SourceOnly(**network)).settled(count, hardware, task).learner.tune == "frozen"
    routes = chosen_routes(args.routes, task, source, target, frozen=frozen)
    routes = with_network(routes, network) if network else routes
    check_names(routes)
    routes = {name: route.settled(count, hardware, task) for name, route in routes.items()}
    for name, route in routes.items():
        try:
            route.check(source, target, task=task)
        except InputError as error:
            raise InputError(f"route '{name}': {error}") from None
    return routes


def announcements(
    args: CompareArguments, routes: dict[str, Route], task: Task, source: Labelled | Simulator, target: Unlabelled
) -> list[str]:
    """What is said before the comparison: painted backgrounds, a better network if there is one, and the minutes.

    Points and gaze need positions in the image, which the pooled features of pretrained networks lack.
    """
    painted = isinstance(source, Labelled) and paints_backgrounds(routes) and lacks_backgrounds(source, target)
    pretrained = task.spatial or any(has_weights(route.learner.network) for route in routes.values())
    advice = None if pretrained else recommended(target.shape, images_of(args, source))
    time = f"{amount(len(routes), 'route')} in {duration(60 * args.minutes)} (--budget): timing them first"
    return [*([PAINTS] if painted else []), *([] if advice is None else [advice]), time]


def images_of(args: CompareArguments, source: Labelled | Simulator) -> int:
    """Number of labelled images that the routes train on."""
    return len(source) if isinstance(source, Labelled) else args.n or Budget.n


@contextmanager
def interruptible() -> Iterator[None]:
    """Adds to a Ctrl-C or a full disk how to continue."""
    way = "the same command with --resume goes on after the last finished training"
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f": {way}") from None
    except WriteError as error:
        error.add_note(f"Then {way}")
        raise


def plan_words(plan: Plan, seconds: float) -> str:
    """What is trained, and how long it takes."""
    first = f"{amount(len(plan.speeds), 'route')} of {plan.steps(0, list(plan.speeds)):,} steps"
    more = f", then the best {FINALISTS} and the baselines for more steps" if len(plan.sizes) > 1 else ""
    return f"about {duration(seconds)} from now, with scores and report: {first}{more}"


def conclusions(comparison: Comparison) -> list[str]:
    """The verdict, the notes, the routes that were left out, and the uncertain samples."""
    left_out = [f"not trained: {name}: {why}" for name, why in comparison.diverged.items()]
    notes = [f"note: {note}" for note in comparison.notes]
    return [comparison.verdict, *notes, *left_out, *in_doubt(comparison)]


def settings_of(args: CompareArguments, routes: dict[str, Route], task: Task, budget: Budget) -> dict[str, Any]:
    """What the comparison is made from, as plain data for `settings.yaml`."""
    return {
        **described(args, task),
        "routes": {name: route.describe() for name, route in routes.items()},
        "test": None if args.test is None else str(args.test),
        "group": args.group,
        "few_labels": plain_few_labels(args.few_labels, args.group),
        **({} if args.validator is None else {"validator": args.validator}),
        "minutes": args.minutes,
        "jobs": args.jobs,
        "seeds": args.seeds,
        "batch": budget.size_of_batch(task),
        "hardware": budget.hardware.settings(),
    }


def write(
    args: CompareArguments, comparison: Comparison, settings: dict[str, Any], correction: Correction | None
) -> None:
    """Write comparison.json, chosen/, aggregates/ and report.html, and print the table."""
    chosen = comparison.chosen
    kept = {key: value for key, value in settings.items() if key not in ("routes", "minutes", "jobs", "seeds")}
    own = {"route": chosen.route.describe(), "steps": chosen.trials[0].steps, "seed": chosen.trials[0].seed}
    write_chosen(comparison, args.out / "chosen", {**kept, **own}, correction)
    write_aggregates(comparison, args.out / AGGREGATES, kept)
    write_report(comparison, args.out / "report.html", None if correction is None else correction.plain())
    console.print(table(comparison))
    text = json.dumps({**comparison.plain(), "versions": versions()}, indent=2)
    write_text(args.out / RESULT, text + "\n")


def in_doubt(comparison: Comparison) -> list[str]:
    """A line about target samples that may be of another kind than the source; empty where there are none."""
    if not comparison.in_doubt:
        return []
    amount, first = counted(comparison.in_doubt, comparison.target)
    check = "show objects that the source has" if comparison.task.dense else "belong to a class of the source"
    return [
        f"in doubt: {amount}; the mean prediction of all routes is not confident ({first}). Check whether they {check}"
    ]


def marked(row: dict[str, Any], baseline: str) -> str:
    """The last cell of a row: what became of the route, and whether the others were compared with it."""
    state = "chosen" if row["chosen"] else "refused" if row["refused"] else ""
    return ", ".join(word for word in (state, "baseline" if row["name"] == baseline else "") if word)


def table(comparison: Comparison) -> Table:
    """The ranking as a table."""
    name = comparison.task.metric_name
    rows = comparison.ranking()
    tested = any(row["test_score"] is not None for row in rows)
    columns = ["route", "label-free score", f"estimated {name}", *([f"{name} on --test"] if tested else [])]
    shown = Table(*columns, "steps", "seeds", "seconds", "")
    for row in rows:
        low, high = row["interval"] or (None, None)
        shown.add_row(
            row["name"],
            "-" if row["score_label_free"] is None else f"{row['score_label_free']:.3f}",
            "-" if low is None else f"{row['estimate']:.3f} ({low:.3f} to {high:.3f})",
            *(["-" if row["test_score"] is None else f"{row['test_score']:.3f}"] if tested else []),
            str(row["steps"] or "-"),
            str(len(row["seeds"])),
            f"{row['seconds']:.0f}",
            marked(row, comparison.baseline),
        )
    return shown
