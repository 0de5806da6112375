"""`synth2real train`: a route by name, from arguments to a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..adapt import MAPPINGS, OBJECTIVES, FeatureMapping, Objective
from ..board import Board
from ..domains import Labelled, Unlabelled
from ..errors import InputError
from ..loading import Channels, Size, load, load_unlabelled
from ..randomize import METHODS as RANDOMIZE
from ..randomize import WIDEN
from ..refine import METHODS as REFINE
from ..route import ROOMS, Budget, Route, check_domains, default_steps
from ..runs import RunFolder, both
from ..runs import train as train_run
from ..settings import build
from ..simulate import SIMULATORS, Simulator, is_simulator, load_parameters, simulator
from ..sparse import SVMLIGHT, Layout
from ..tasks import TASKS, Gaze, Task
from .console import Certainty, bars, console, warnings_on_stderr

NAMED_BY = {
    "calibrate": "Fill it with --calibrate",
    "widen": f"Name a method for it: --widen {', '.join(WIDEN)}",
    "randomize": f"Name a method for it: --randomize {', '.join(RANDOMIZE)}",
    "refine": f"Name a method for it: --refine {', '.join(REFINE)}",
}


@dataclass(frozen=True)
class Request:
    """The arguments of the command, parsed; see `synth2real train --help`."""

    source: str
    target: Path
    out: Path
    task: str
    label: tuple[str, ...]
    rooms: dict[str, str | None]
    assign: tuple[str, ...]
    preset: str | None
    n: int | None
    size: Size | None
    channels: Channels | None
    seed: int
    steps: int | None
    skip_bad: bool
    overwrite: bool
    resume: bool
    params: Path | None = None
    network: str | None = None
    weights: Path | None = None
    zero_based: bool | None = None
    tensorboard: bool = False


def train(request: Request) -> None:
    """Load, build the route, train, and write the run folder."""
    if request.overwrite and request.resume:
        raise InputError("--overwrite and --resume exclude each other: found both, expected one")
    check_task(request.task)
    check_for_simulators(request.source, request.n, request.preset, request.params)
    assigned = parse_assignments(request.assign)
    for name, value in (("network", request.network), ("weights", request.weights)):
        if value is not None:
            assigned.setdefault("adapt", {})[name] = str(value)
    with warnings_on_stderr():
        layout = decide_layout(request)
        target = load_unlabelled(
            request.target, size=request.size, channels=request.channels, skip_bad=request.skip_bad, layout=layout
        )
        source = load_source(request, target, layout)
    labelled = source if isinstance(source, Labelled) else source.labelled(200, request.seed)
    check_domains(labelled, target)
    task = TASKS[request.task].of(labelled)
    route = build_route(request.rooms, assigned, task, images=len(target.shape) == 3)
    route.check(source, target, task=task)
    rendered = request.n or Budget.n
    count = len(source) if isinstance(source, Labelled) else rendered
    steps = request.steps or default_steps(count, len(target))
    budget = Budget(steps=steps, n=rendered, seed=request.seed)
    board = Board(request.out / "tensorboard") if request.tensorboard else None
    folder = RunFolder(
        request.out, settings(request, route, task, budget), overwrite=request.overwrite, resume=request.resume
    )
    for line in summary(request, route, count, len(target), steps, budget):
        folder.log(line)
        console.print(line, soft_wrap=True)
    with interruptible(folder), bars() as shown, warnings_on_stderr(folder.log):
        certainty = Certainty(target, shown)
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
            on_checkpoint=certainty.look if console.is_terminal else None,
        )
    if board is not None:
        board.pictures(run, target.inputs)
        board.close()
    last = run.history["train"][-1] if "train" in run.history else {}
    losses = ", ".join(f"{name} {value:.3f}" for name, value in last.items() if name != "step")
    line = f"trained in {sum(run.seconds.values()):.0f} s ({losses}); the run is in {request.out}"
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


def decide_layout(request: Request) -> Layout | None:
    """How the svmlight files of source and target are read; None where neither is one."""
    files = [request.target, *([] if is_simulator(request.source) else [Path(request.source)])]
    layout = Layout.of([file for file in files if file.is_file()], request.zero_based)
    if layout is None and request.zero_based is not None:
        option = "--zero-based" if request.zero_based else "--one-based"
        raise InputError(
            f"{option} is for svmlight files ({', '.join(SVMLIGHT)}), but neither source nor target is one. "
            f"Leave {option} out"
        )
    return layout


def load_source(request: Request, target: Unlabelled, layout: Layout | None = None) -> Labelled | Simulator:
    """The labelled source, or the simulator of that name, set to the target's size and channels."""
    if is_simulator(request.source):
        check_labels(request.task, request.label)
        return load_simulator(request, target)
    return load_labelled(
        request.source, request.task, request.label, request.size, request.channels, request.skip_bad, layout
    )


def check_labels(task: str, label: tuple[str, ...]) -> None:
    """Raise `InputError` where the task wants more or fewer labels."""
    if task == "classify" and len(label) > 1:
        raise InputError(f"--task classify takes one --label, found {len(label)}: {', '.join(label)}")
    if task not in ("classify", Gaze.kind) and not label:
        raise InputError(
            f"--task {task} found no --label, expected the names of its columns, such as --label iris_x --label iris_y"
        )


def load_labelled(
    source: str,
    task: str,
    label: tuple[str, ...],
    size: Size | None,
    channels: Channels | None,
    skip_bad: bool,
    layout: Layout | None = None,
) -> Labelled:
    """The folder or file with the labels that the task wants."""
    check_labels(task, label)
    named: str | tuple[str, ...] | None = label
    if task == "classify":
        named = label[0] if label else None
    elif task == Gaze.kind:
        named = label or Gaze.columns
        Gaze(named)  # says what it needs before anything is read
    return load(source, named, size=size, channels=channels, skip_bad=skip_bad, layout=layout)


def check_task(name: str) -> None:
    """Raise `InputError` where there is no task of that name."""
    if name not in TASKS:
        raise InputError(f"--task '{name}' is unknown, expected one of: {', '.join(TASKS)}")


def check_for_simulators(source: str, n: int | None, preset: str | None, params: Path | None = None) -> None:
    """Raise `InputError` where an option for simulators came with another source."""
    if is_simulator(source):
        return
    if n is not None:
        raise InputError(
            f"--n {n} is how many images a simulator renders, but the source '{source}' is none of: "
            f"{', '.join(SIMULATORS)}. Leave --n out: a folder or file is used whole"
        )
    for option, value in {"--preset": preset, "--params": params}.items():
        if value is not None:
            raise InputError(
                f"{option} '{value}' is for simulators, but the source is {source}; expected a source of: "
                f"{', '.join(SIMULATORS)}"
            )


def load_simulator(request: Request, target: Unlabelled) -> Simulator:
    """The simulator of that name; its first label (classes, or gaze) where --label names none."""
    if len(target.shape) != 3:
        raise InputError(f"the simulator '{request.source}' renders images, the target has features {target.shape}")
    channels, height, width = target.shape
    values: dict[str, Any] = {"size": (height, width), "channels": channels, "label": request.label or None}
    if request.preset is not None:
        values["preset"] = request.preset
    if request.params is not None:
        values["ranges"] = load_parameters(request.params)
    return simulator(request.source, **values)


def parse_assignments(texts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """`room.field=value` texts to `{room: {field: value}}`; values are read as YAML."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        room, point, name = key.partition(".")
        if not (equals and point and name) or room not in ROOMS:
            raise InputError(
                f"--set '{text}': expected ROOM.FIELD=VALUE, such as adapt.rate=0.001, "
                f"with a room of: {', '.join(ROOMS)}"
            )
        try:
            found.setdefault(room, {})[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"--set '{text}': the value is not YAML, expected a number, a word or a [list]") from None
    return found


def build_route(
    rooms: dict[str, str | None], assigned: dict[str, dict[str, Any]], task: Task, *, images: bool
) -> Route:
    """The route of these names and settings; a randomization that is not named is the method's own."""
    names = dict(rooms)
    if names["adapt"] in (None, "none"):
        names["adapt"] = "source-only"
    if names["randomize"] is None:
        adapting: dict[str, type[Objective] | type[FeatureMapping]] = {**OBJECTIVES, **MAPPINGS}
        method = adapting.get(str(names["adapt"]))
        own = method.randomized_by if method is not None and images else None
        chosen = assigned.get("adapt", {})
        as_is = str(chosen.get("preset")).startswith("paper") or bool(chosen.get("cached"))
        # What a regression's numbers mean is not known, so nothing is moved that they may speak of.
        names["randomize"] = "none" if own is None or as_is else "photometric" if task.kind == "regress" else own
    methods: dict[str, Any] = {}
    for room, known in ROOMS.items():
        name, values = names.get(room), assigned.get(room, {})
        if name in (None, "none"):
            if values:
                raise InputError(f"--set {room}.{next(iter(values))}: the room '{room}' is empty. {NAMED_BY[room]}")
            continue
        methods[room] = build(known, str(name), values, room=room)
    if "randomize" in methods:
        methods["randomize"] = methods["randomize"].settled(task)
    return Route(**methods)


def settings(request: Request, route: Route, task: Task, budget: Budget) -> dict[str, Any]:
    """What the run is made by, as plain data for `settings.yaml`."""
    return {
        "source": request.source,
        "target": str(request.target),
        "label": list(request.label) or None,
        "task": {"kind": task.kind, **task.settings()},
        "route": route.describe(),
        "steps": budget.steps,
        "batch": budget.batch,
        "preset": request.preset,
        "params": str(request.params) if request.params else None,
        "n": budget.n if is_simulator(request.source) else None,
        "seed": budget.seed,
        "size": list(request.size) if request.size else None,
        "channels": request.channels,
        "zero_based": request.zero_based,
        "hardware": budget.hardware.settings(),
    }


def summary(request: Request, route: Route, sources: int, targets: int, steps: int, budget: Budget) -> list[str]:
    """What was taken, for the eye and the log."""
    rooms = {room: (chosen or {}).get("method", "none") for room, chosen in route.describe().items()}
    hardware = budget.hardware
    return [
        f"source {request.source} ({sources} samples), target {request.target} ({targets} samples)",
        "route: " + ", ".join(f"{room} {name}" for room, name in rooms.items()),
        f"{steps} steps of {budget.batch} + {budget.batch}"
        + ("" if request.steps else " (by the size of the data; --steps changes it)")
        + f", seed {budget.seed}, {hardware.device} {hardware.precision}",
    ]
