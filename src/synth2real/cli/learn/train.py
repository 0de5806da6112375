"""`synth2real train`: a route by name, from arguments to a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...adapt import MAPPINGS, OBJECTIVES, FeatureMapping, Objective
from ...calibrate import method_of
from ...data.domains import Labelled
from ...errors import InputError
from ...randomize import METHODS as RANDOMIZE
from ...randomize import WIDEN
from ...refine import METHODS as REFINE
from ...route.route import STAGES, Budget, Route, default_steps
from ...route.run_folder import RunFolder, both
from ...route.run_folder import train as train_run
from ...route.tensorboard import TensorBoardLog
from ...settings import build
from ...tasks.base import Task
from ..console import Watch, bars, console, warnings_on_stderr
from ..inputs import Data, described, load_pair, settle_task

NAMED_BY = {
    "calibrate": "Fill it with --calibrate",
    "widen": f"Name a method for it: --widen {', '.join(WIDEN)}",
    "randomize": f"Name a method for it: --randomize {', '.join(RANDOMIZE)}",
    "refine": f"Name a method for it: --refine {', '.join(REFINE)}",
}


@dataclass(frozen=True, kw_only=True)
class Request(Data):
    """The arguments of the command, parsed; see `synth2real train --help`."""

    out: Path
    stages: dict[str, str | None]
    assign: tuple[str, ...]
    steps: int | None
    overwrite: bool
    resume: bool
    network: str | None
    weights: Path | None
    tensorboard: bool


def train(request: Request) -> None:
    """Load, build the route, train, and write the run folder."""
    if request.overwrite and request.resume:
        raise InputError("--overwrite and --resume exclude each other: found both, expected one")
    assigned = parse_assignments(request.assign)
    for name, value in (("network", request.network), ("weights", request.weights)):
        if value is not None:
            assigned.setdefault("adapt", {})[name] = str(value)
    with warnings_on_stderr():
        source, target, layout = load_pair(request)
    task = settle_task(request, source, target)
    images = len(target.shape) == 3
    route = build_route(request.stages, assigned, task, images=images)
    route.check(source, target, task=task)
    rendered = request.n or Budget.n
    count = len(source) if isinstance(source, Labelled) else rendered
    steps = request.steps or default_steps(count, len(target), task, images)
    budget = Budget(steps=steps, n=rendered, seed=request.seed)
    board = TensorBoardLog(request.out / "tensorboard") if request.tensorboard else None
    folder = RunFolder(
        request.out, settings(request, route, task, budget), overwrite=request.overwrite, resume=request.resume
    )
    for line in summary(request, route, count, len(target), steps, budget):
        folder.log(line)
        console.print(line, soft_wrap=True)
    kept = nullcontext() if board is None else closing(board)  # also where it is broken off, or diverges
    with kept, interruptible(folder), bars() as shown, warnings_on_stderr(folder.log):
        watch = Watch(shown, None if board is None else board.report)
        run = train_run(
            folder,
            route,
            source,
            target,
            task=task,
            budget=budget,
            resize=request.size,
            channels=request.channels,
            layout=layout,
            resume=request.resume,
            on_report=shown.report if board is None else both(shown.report, board.report),
            on_checkpoint=watch.look if console.is_terminal or board is not None else None,
        )
        if board is not None:
            board.pictures(run, target.inputs)
    last = run.history["train"][-1] if "train" in run.history else {}
    losses = ", ".join(f"{name} {value:.3f}" for name, value in last.items() if name != "step")
    ended = f" ({losses})" if losses else ""  # what is solved in closed form has none
    line = f"trained in {sum(run.seconds.values()):.0f} s{ended}; the run is in {request.out}"
    folder.log(line)
    console.print(line, soft_wrap=True)


@contextmanager
def interruptible(folder: RunFolder) -> Iterator[None]:
    """Adds to a Ctrl-C what is left of the run, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        step = folder.kept
        left = f": the checkpoint of step {step} is kept" if step else " before the first checkpoint"
        line = f"{left}. The same command with --resume {'goes on from it' if step else 'begins anew'}"
        folder.log(f"interrupted{line}")
        raise KeyboardInterrupt(line) from None


def parse_assignments(texts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """`stage.field=value` texts to `{stage: {field: value}}`; values are read as YAML."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        stage, point, name = key.partition(".")
        if not (equals and point and name) or stage not in STAGES:
            raise InputError(
                f"--set '{text}': expected ROOM.FIELD=VALUE, such as adapt.rate=0.001, "
                f"with a room of: {', '.join(STAGES)}"
            )
        try:
            found.setdefault(stage, {})[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"--set '{text}': the value is not YAML, expected a number, a word or a [list]") from None
    return found


def assignments_of(stage: str, texts: tuple[str, ...]) -> dict[str, Any]:
    """`{field: value}` of the one room that a command has; another room's are refused."""
    assigned = parse_assignments(texts)
    other = next((named for named in assigned if named != stage), None)
    if other is not None:
        raise InputError(
            f"--set {other}.{next(iter(assigned[other]))}: this command has the room {stage} alone, "
            f"expected {stage}.FIELD=VALUE"
        )
    return assigned.get(stage, {})


def build_route(
    stages: dict[str, str | None], assigned: dict[str, dict[str, Any]], task: Task, *, images: bool
) -> Route:
    """The route of these names and settings; a randomization that is not named is the method's own, and a calibration
    the one that has the settings."""
    names = dict(stages)
    if names["calibrate"] is None:
        names["calibrate"] = method_of(assigned.get("calibrate", {}))
    if names["adapt"] in (None, "none"):
        names["adapt"] = "source-only"
    if names["randomize"] is None:
        adapting: dict[str, type[Objective] | type[FeatureMapping]] = {**OBJECTIVES, **MAPPINGS}
        method = adapting.get(str(names["adapt"]))
        own = method.default_randomization if method is not None and images else None
        chosen = assigned.get("adapt", {})
        as_is = str(chosen.get("preset")).startswith("paper") or bool(chosen.get("cached"))
        # What a regression's numbers mean is not known, so nothing is moved that they may speak of.
        names["randomize"] = "none" if own is None or as_is else "photometric" if task.kind == "regress" else own
    methods: dict[str, Any] = {}
    for stage, known in STAGES.items():
        name, values = names.get(stage), assigned.get(stage, {})
        if name in (None, "none"):
            if values:
                raise InputError(f"--set {stage}.{next(iter(values))}: the room '{stage}' is empty. {NAMED_BY[stage]}")
            continue
        methods[stage] = build(known, str(name), values, stage=stage)
    if "randomize" in methods:
        methods["randomize"] = methods["randomize"].settled(task)
    return Route(**methods)


def settings(request: Request, route: Route, task: Task, budget: Budget) -> dict[str, Any]:
    """What the run is made by, as plain data for `settings.yaml`."""
    return {
        **described(request, task),
        "route": route.describe(),
        "steps": budget.steps,
        "batch": budget.batch,
        "hardware": budget.hardware.settings(),
    }


def summary(request: Request, route: Route, sources: int, targets: int, steps: int, budget: Budget) -> list[str]:
    """What was taken, for the eye and the log."""
    stages = {stage: (chosen or {}).get("method", "none") for stage, chosen in route.describe().items()}
    hardware = budget.hardware
    source = " + ".join(request.sources)
    return [
        f"source {source} ({sources} samples), target {request.target} ({targets} samples)",
        "route: " + ", ".join(f"{stage} {name}" for stage, name in stages.items()),
        f"{steps} steps of {budget.batch} + {budget.batch}"
        + ("" if request.steps else " (by the size of the data; --steps changes it)")
        + f", seed {budget.seed}, {hardware.device} {hardware.precision}",
    ]
