"""`synth2real train`: a route by name, from arguments to a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..adapt import MAPPINGS, OBJECTIVES
from ..domains import Labelled, Unlabelled
from ..errors import InputError
from ..loading import Channels, Size, load, load_unlabelled
from ..randomize import METHODS as RANDOMIZE
from ..refine import METHODS as REFINE
from ..route import ROOMS, Budget, Route, check_domains, default_steps
from ..runs import RunFolder
from ..runs import train as train_run
from ..settings import build
from ..simulate import SIMULATORS, Simulator, simulator
from ..sparse import SVMLIGHT, Layout
from ..tasks import TASKS, Gaze, Task
from .console import bars, console, warnings_on_stderr

NAMED_BY = {
    "calibrate": "Fill it with --calibrate",
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
    zero_based: bool | None
    seed: int
    steps: int | None
    skip_bad: bool
    overwrite: bool
    resume: bool


def train(request: Request) -> None:
    """Load, build the route, train, and write the run folder."""
    if request.overwrite and request.resume:
        raise InputError("--overwrite and --resume exclude each other: found both, expected one")
    if request.task not in TASKS:
        raise InputError(f"--task '{request.task}' is unknown, expected one of: {', '.join(TASKS)}")
    check_for_simulators(request.source, request.n, request.preset)
    assigned = parse_assignments(request.assign)
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
    folder = RunFolder(
        request.out, settings(request, route, task, budget), overwrite=request.overwrite, resume=request.resume
    )
    for line in summary(request, route, count, len(target), steps, budget):
        folder.log(line)
        console.print(line, soft_wrap=True)
    with interruptible(folder), bars() as shown, warnings_on_stderr(folder.log):
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
            on_report=shown.report,
        )
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
    files = [request.target, *([] if request.source in SIMULATORS else [Path(request.source)])]
    layout = Layout.of([file for file in files if file.is_file()], request.zero_based)
    if layout is None and request.zero_based is not None:
        option = "--zero-based" if request.zero_based else "--one-based"
        raise InputError(
            f"{option} is for svmlight files ({', '.join(SVMLIGHT)}), but neither source nor target is one. "
            f"Leave {option} out"
        )
    return layout


def load_source(request: Request, target: Unlabelled, layout: Layout | None) -> Labelled | Simulator:
    """The labelled source, or the simulator of that name, set to the target's size and channels."""
    if request.task == "classify" and len(request.label) > 1:
        raise InputError(f"--task classify takes one --label, found {len(request.label)}: {', '.join(request.label)}")
    if request.task not in ("classify", Gaze.kind) and not request.label:
        raise InputError(
            f"--task {request.task} found no --label, expected the names of its columns, "
            "such as --label iris_x --label iris_y"
        )
    if request.source in SIMULATORS:
        return load_simulator(request, target)
    label: str | tuple[str, ...] | None = request.label
    if request.task == "classify":
        label = request.label[0] if request.label else None
    elif request.task == Gaze.kind:
        label = request.label or Gaze.columns
        Gaze(label)  # says what it needs before anything is read
    return load(
        request.source,
        label,
        size=request.size,
        channels=request.channels,
        skip_bad=request.skip_bad,
        layout=layout,
    )


def check_for_simulators(source: str, n: int | None, preset: str | None) -> None:
    """Raise `InputError` where an option for simulators came with another source."""
    if source in SIMULATORS:
        return
    if n is not None:
        raise InputError(
            f"--n {n} is how many images a simulator renders, but the source '{source}' is none of: "
            f"{', '.join(SIMULATORS)}. Leave --n out: a folder or file is used whole"
        )
    if preset is not None:
        raise InputError(
            f"--preset '{preset}' is for simulators, but the source is {source}; expected a source of: "
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
        chosen: Any = {**OBJECTIVES, **MAPPINGS}.get(str(names["adapt"]))
        own = chosen.randomized_by if chosen is not None and images else None
        paper = assigned.get("adapt", {}).get("preset") == "paper"
        # What a regression's numbers mean is not known, so nothing is moved that they may speak of.
        names["randomize"] = "none" if own is None or paper else "photometric" if task.kind == "regress" else own
    methods: dict[str, Any] = {}
    for room, known in ROOMS.items():
        name, values = names.get(room), assigned.get(room, {})
        if name in (None, "none"):
            if values:
                mend = NAMED_BY.get(room, f"Leave it out: on the command line the room {room} stays empty")
                raise InputError(f"--set {room}.{next(iter(values))}: the room '{room}' is empty. {mend}")
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
        "n": budget.n if request.source in SIMULATORS else None,
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
