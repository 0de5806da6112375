"""`synth2real train`: from the options of a route to a run folder."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict
from typing import Any

from ...adapt import SOURCE_FREE_STAGE, Objective
from ...calibrate import method_of
from ...comparison.comparison import some
from ...comparison.expected import route_seconds
from ...comparison.halving import stepless
from ...data.domains import Labelled, Unlabelled
from ...data.sparse import Layout
from ...errors import InputError, ProcessError, WriteError
from ...networks.backbones import check_name as check_network_name
from ...randomize import METHODS as RANDOMIZE
from ...randomize import WIDEN
from ...refine import METHODS as REFINE
from ...route.recorder import both
from ...route.route import STAGES, Route
from ...route.run import Budget, Run, default_steps
from ...route.run_folder import LOG, METRICS, SETTINGS, Few, RunFolder
from ...route.run_folder import train as train_run
from ...route.tensorboard import TensorBoardLog
from ...settings import build
from ...simulate import Simulator
from ...tasks.base import Task
from ...training.hardware import Hardware
from .. import dry_run, processes
from ..arguments import TrainArguments
from ..console import Result, Watch, bars, console, warnings_on_stderr
from ..few_labels import check_fine_tune, plain_few_labels, read_for_training
from ..inputs import conversion_of, described, load_pair, settle_task
from ..outputs import check_overwrite_or_resume, one_class, run_folder, say
from ..set_option import parse_assignments

WRITTEN = ("the model", SETTINGS, METRICS, LOG)
SHOWN = 512  # target samples on which the trained model is checked
FILLED_BY = {
    "calibrate": "Add --calibrate",
    "widen": f"Name a method: --widen {', '.join(WIDEN)}",
    "randomize": f"Name a method: --randomize {', '.join(RANDOMIZE)}",
    "refine": f"Name a method: --refine {', '.join(REFINE)}",
}


def train(args: TrainArguments) -> Result:
    """Load, build the route, train, and write the run folder."""
    check_overwrite_or_resume(args.overwrite, args.resume)
    hardware = Hardware.detect(args.device)
    check_names(args)
    source, target, layout = load_pair(args)
    task = settle_task(args, source, target)
    route = build_route(args, task, images=len(target.shape) == 3)
    rendered = args.n or Budget.n
    count = len(source) if isinstance(source, Labelled) else rendered
    route = route.settled(count, hardware, task)
    route.check(source, target, task=task)
    few = few_labels_of(args, task, source, target, layout, route)
    steps = args.steps or default_steps(count, len(target), task, len(target.shape) == 3)
    budget = Budget(steps, Budget().size_of_batch(task), rendered, args.seed, hardware, args.accumulate)
    board = TensorBoardLog(args.out / "tensorboard") if args.tensorboard else None
    folder = run_folder("train", args, settings(args, route, task, budget), source)
    lines = summary(args, route, count, len(target), steps, budget)
    if args.dry_run:
        once, step = route_seconds(route, source, target, task, budget)
        return dry_run.plan(lines, once + step * (steps + args.fine_tune), args.out, WRITTEN)
    for line in lines:
        say(folder, line)
    log = nullcontext() if board is None else closing(board)  # closed also after an interruption or a divergence
    with log, interruptible(folder), bars() as shown, warnings_on_stderr(folder.log):
        watch = Watch(shown, None if board is None else board.report)
        run = train_run(
            folder,
            route,
            source,
            target,
            task=task,
            budget=budget,
            conversion=conversion_of(args, source, target),
            layout=layout,
            resume=args.resume,
            few=few,
            on_report=shown.report if board is None else both(shown.report, board.report),
            on_step=shown.step,
            on_checkpoint=watch.look if console.is_terminal or board is not None else None,
        )
        for line in [*run.notes, *one_class(run.model, run.model.predict(some(target, SHOWN)))]:
            warnings.warn(line, stacklevel=1)
        if board is not None:
            board.pictures(run, target.inputs)
    if run.correction is not None:
        say(folder, run.correction.words)
    say(folder, f"{outcome(run)}; the run is in {args.out}")
    made = {"source_samples": count, "target_samples": len(target), "route": route.describe(), "steps": steps}
    return {**made, **found(run), "out": args.out}


def few_labels_of(
    args: TrainArguments,
    task: Task,
    source: Labelled | Simulator,
    target: Unlabelled,
    layout: Layout | None,
    route: Route,
) -> Few | None:
    """The few labels, checked before the training."""
    few, groups = read_for_training(args, args.group, task, source, target, layout)
    check_fine_tune(args.fine_tune, few, route)
    return None if few is None else Few(few, groups, args.fine_tune)


def found(run: Run) -> Result:
    """What the training found."""
    return {
        "losses": last_losses(run),
        "notes": run.notes,
        "stage_seconds": run.seconds,
        "speed": None if run.speed is None else asdict(run.speed),
        "few_labels": None if run.correction is None else run.correction.plain(),
    }


def last_losses(run: Run) -> dict[str, float]:
    """The last losses of the training. A closed form has none."""
    last = run.history["train"][-1] if "train" in run.history else {}
    return {name: value for name, value in last.items() if name != "step"}


def steps_line(args: TrainArguments, steps: int, budget: Budget) -> str:
    """The steps of a training, and why so many."""
    why = "" if args.steps else " (from the size of the data; --steps changes it)"
    return f"{steps} steps of {budget.batch} + {budget.batch}{why}"


def outcome(run: Run) -> str:
    """Seconds of the training, its last losses, and its speed."""
    losses = ", ".join(f"{name} {value:.3f}" for name, value in last_losses(run).items())
    line = f"trained in {sum(run.seconds.values()):.0f} s{f' ({losses})' if losses else ''}"
    if run.speed is None:
        return line
    steps, waiting = run.speed.steps_per_second, run.speed.waiting
    return f"{line}, {steps:.3g} steps a second, {waiting:.0%} of the time waiting for data"


@contextmanager
def interruptible(folder: RunFolder) -> Iterator[None]:
    """Adds to a Ctrl-C, a full disk or a lost process which checkpoint is kept, and how to continue."""
    try:
        yield
    except (KeyboardInterrupt, WriteError, ProcessError) as error:
        step = folder.kept
        left = f": the checkpoint of step {step} is kept" if step else " before the first checkpoint"
        line = f"{left}. The same command with --resume {'goes on from it' if step else 'begins anew'}"
        if not isinstance(error, KeyboardInterrupt):
            error.add_note(f"The training stopped{line}")
            raise
        with suppress(WriteError):
            folder.log(f"interrupted{line}")
        raise KeyboardInterrupt(line) from None


def check_names(args: TrainArguments) -> None:
    """Raise `InputError` for a method or network that does not exist, before any data is read."""
    parse_assignments(args.assign)
    adapt = "source-only" if args.adapt == "none" else args.adapt
    named = {"widen": args.widen, "randomize": args.randomize or "none", "refine": args.refine, "adapt": adapt}
    for stage, name in named.items():
        if name != "none":
            check_name(stage, name)
    if args.network is not None:
        check_network_name(args.network)


def build_route(args: TrainArguments, task: Task, *, images: bool) -> Route:
    """The route that the options name. Without --randomize, the method's own randomization is used."""
    assigned = parse_assignments(args.assign)
    for name, value in (("network", args.network), ("weights", args.weights)):
        if value is not None:
            assigned.setdefault("adapt", {})[name] = value
    adapt = "source-only" if args.adapt == "none" else args.adapt
    names = {
        "calibrate": method_of(assigned.get("calibrate", {})) if args.calibrate else "none",
        "widen": args.widen,
        "randomize": args.randomize or default_randomization(adapt, assigned.get("adapt", {}), task, images),
        "refine": args.refine,
        "adapt": adapt,
    }
    methods: dict[str, Any] = {}
    for stage, known in STAGES.items():
        values = assigned.get(stage, {})
        if names[stage] != "none":
            check_name(stage, names[stage])
            methods[stage] = build(known, names[stage], values, stage=stage)
        elif values:
            raise InputError(
                f"--set {stage}.{next(iter(values))}: the route has no stage '{stage}'. {FILLED_BY[stage]}"
            )
    if "randomize" in methods:
        methods["randomize"] = methods["randomize"].settled(task)
    return Route(**methods)


def check_name(stage: str, name: str) -> None:
    """Raise `InputError` where an option names a method that the stage does not have."""
    if name in STAGES[stage]:
        return
    if stage == "adapt" and name in SOURCE_FREE_STAGE:
        raise InputError(f"--adapt {name}: it adapts a trained model. Use `synth2real adapt RUN --method {name}`")
    raise InputError(f"--{stage} '{name}' is unknown, expected one of: none, {', '.join(STAGES[stage])}")


def default_randomization(adapt: str, chosen: dict[str, Any], task: Task, images: bool) -> str:
    """Name of the policy that an adaptation method trains best under, or `none`."""
    method = STAGES["adapt"].get(adapt)
    own = method.default_randomization if method is not None and images else None
    if own is None or str(chosen.get("preset")).startswith("paper"):
        return "none"
    # A regression's numbers may describe the geometry of the image, so no image is warped.
    return "photometric" if task.kind == "regress" else own


def settings(args: TrainArguments, route: Route, task: Task, budget: Budget) -> dict[str, Any]:
    """What the run is made from, as plain data for `settings.yaml`."""
    return {
        **described(args, task),
        "few_labels": plain_few_labels(args.few_labels, args.group),
        "fine_tune": args.fine_tune or None,
        "route": route.describe(),
        "steps": budget.steps,
        "batch": budget.batch,
        "accumulate": budget.accumulate if budget.accumulate > 1 else None,
        "hardware": budget.hardware.settings(),
    }


def network_line(learner: Objective) -> str:
    """Which network is trained, from which weights, and how much of it."""
    named = learner.network or "by the shape of the inputs"
    return (
        f"network: {named}, weights {learner.weights}, tune {learner.tune}"
        + (f", bottleneck {learner.bottleneck}" if learner.bottleneck else "")
        + ("" if learner.tune == "whole" else " (--set adapt.tune=last or whole trains more of it)")
    )


def summary(args: TrainArguments, route: Route, sources: int, targets: int, steps: int, budget: Budget) -> list[str]:
    """What the training starts from, for the eye and the log."""
    stages = {stage: (chosen or {}).get("method", "none") for stage, chosen in route.describe().items()}
    hardware = budget.hardware
    source = " + ".join(args.source)
    return [
        f"source {source} ({sources} samples), target {args.target} ({targets} samples)",
        *([f"given, as inputs of the model: {', '.join(args.given)}"] if args.given else []),
        "route: " + ", ".join(f"{stage} {name}" for stage, name in stages.items()),
        network_line(route.learner),
        ("in closed form, without steps" if stepless(route) else steps_line(args, steps, budget))
        + f", seed {budget.seed}, {hardware.device} {hardware.precision}"
        + (f", on {processes.count()} processes" if processes.count() > 1 else ""),
    ]
