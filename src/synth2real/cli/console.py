"""What commands say: lines, warnings and progress on stderr, the result on stdout, as text or as one JSON object."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.tree import Tree

from ..adapt import Objective
from ..data.reading.progress import told
from ..errors import LeftOutWarning
from ..route.route import OnReport
from ..select.validators import live_score
from ..training.loop import Trainer
from . import processes
from .arguments import Command

Result = dict[str, Any]  # what a command made and found, as plain data: paths, counts, scores

WIDTH = 110  # of lines that are written to a file; tables fit in it
LONGEST = 10_000  # of lines of a tree that are written to a file


class CommandConsole(Console):
    """stderr of the running command. Keeps the warnings and the files left out, which --json repeats."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False, markup=False)
        if not self.is_terminal:
            self.width = WIDTH
        self.begin(as_json=False, quiet=False)

    def begin(self, *, as_json: bool, quiet: bool) -> None:
        """Start a command. With `quiet` nothing is printed here, with `as_json` no text on stdout."""
        self.as_json, self.quiet = as_json, quiet
        self.warned: list[str] = []
        self.left_out: Counter[str] = Counter()

    def warn(self, message: Any) -> None:
        """Print a warning, and keep it."""
        self.warned.append(str(message))
        if isinstance(message, LeftOutWarning):
            self.left_out.update(message.counts)
        self.print(f"warning: {message}", soft_wrap=True)


console = CommandConsole()


def print_result(shown: str | Table | Tree) -> None:
    """Print a part of the result on stdout, at once. With --json nothing: the object holds it."""
    if console.as_json:
        return
    if isinstance(shown, str):
        print(shown, flush=True)
        return
    out = Console(highlight=False, markup=False)
    written = LONGEST if isinstance(shown, Tree) else WIDTH  # a path in a tree stays in one line
    out.width = out.width if out.is_terminal else written
    out.print(shown)


def carry_out(name: str, command: Callable[[Any], Result], args: Command) -> None:
    """Run a command. With --json its result is one object, the last line of stdout."""
    start = time.perf_counter()
    console.begin(as_json=args.as_json, quiet=args.quiet)
    try:
        with warnings_on_stderr(), reading_on_stderr():
            for note in processes.notes(name):
                console.warn(note)
            found = command(args)
        if args.as_json:
            said = {"left_out": console.left_out, "warnings": console.warned}
            seconds = round(time.perf_counter() - start, 2)
            whole = _plain({"command": name, **found, **said, "seconds": seconds})
            print(json.dumps(whole, allow_nan=False), flush=True)
    finally:
        console.begin(as_json=False, quiet=False)


def _plain(value: Any) -> Any:
    """The value as strict JSON takes it: paths as text, and null for NaN and infinities."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def duration(seconds: float) -> str:
    """A time as a person says it: `40 seconds`, `2.5 minutes`, `40 minutes`, `2.5 hours`."""
    if seconds < 90:
        return amount(max(1, round(seconds)), "second")
    if seconds < 600:  # whole minutes would be wrong by up to a half
        return f"{round(seconds / 30) / 2:g} minutes"
    return f"{seconds / 60:.0f} minutes" if seconds < 90 * 60 else f"{seconds / 3600:.1f} hours"


def amount(count: int, what: str) -> str:
    """`1 route`, `1,200 images`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class Pace:
    """How fast the steps of a stage are taken, and the lines about it.

    Args:
        stage: what the lines begin with.
        clock: seconds.
    """

    EVERY = 30.0  # seconds between two lines
    TIMED, PATIENCE = 10, 10.0  # the estimate comes after so many steps, or so many seconds if steps are slow

    def __init__(self, stage: str, clock: Callable[[], float] = time.perf_counter) -> None:
        self.stage, self.clock = stage, clock
        self.losses = ""
        self._first: tuple[int, float] | None = None  # step and time; the first step also prepares the others
        self._last = 0  # step
        self._estimated, self._said = False, clock()

    def step(self, step: int, steps: int) -> tuple[str, str]:
        """After a step: a line on how long the stage takes, once; and a line on its state, every 30 s; else empty."""
        now = self.clock()
        if self._first is None or step <= self._last:  # a stage of the same name begins again
            self._first, self._said = (step, now), self._said if self._first is None else now
        self._last = step
        first, begun = self._first
        each = (now - begun) / max(1, step - first)
        estimate, state = "", ""
        if not self._estimated and (step - first >= self.TIMED or (step > first and now - begun >= self.PATIENCE)):
            self._estimated = True
            estimate = f"{self.stage}: about {duration(each * (steps - first + 1))} for {steps - first + 1:,} steps"
        if step > first and step < steps and now - self._said >= self.EVERY:
            self._said = now
            parts = [f"step {step:,} of {steps:,}", self.losses, f"about {duration(each * (steps - step))} left"]
            state = f"{self.stage}: {', '.join(part for part in parts if part)}"
        return estimate, state


class Bars:
    """One progress bar for each stage, with the latest losses behind it. Without a terminal, a line now and then.

    Args:
        progress: that draws the bars.
        estimates: whether to say how long each stage takes.
    """

    def __init__(self, progress: Progress, *, estimates: bool) -> None:
        self.progress, self.estimates = progress, estimates
        self.title = ""
        self.note = ""  # shown behind the losses
        self._bars: dict[tuple[str, str], TaskID] = {}
        self._paces: dict[tuple[str, str], Pace] = {}

    def report(self, stage: str, step: int, steps: int, terms: dict[str, float]) -> None:
        """An `on_report` of `Route.run`."""
        key, losses = self._begun(stage, steps), " ".join(f"{name} {value:.3f}" for name, value in terms.items())
        self._paces[key].losses = losses
        self.progress.update(self._bars[key], losses=f"{losses} {self.note}")
        self.step(stage, step, steps)

    def step(self, stage: str, step: int, steps: int) -> None:
        """An `on_step` of `Route.run`."""
        key = self._begun(stage, steps)
        self.progress.update(self._bars[key], completed=step, total=steps)
        estimate, state = self._paces[key].step(step, steps)
        if estimate and self.estimates:
            console.print(estimate, soft_wrap=True)
        if state and not console.is_terminal:
            console.print(state, soft_wrap=True)

    def _begun(self, stage: str, steps: int) -> tuple[str, str]:
        """The key of a stage, which has a bar and a pace from now on."""
        key, name = (self.title, stage), f"{self.title} {stage}".strip()
        if key not in self._bars:
            self._bars[key] = self.progress.add_task(name, total=steps, losses="")
            self._paces[key] = Pace(name)
        return key

    def count(self, what: str, last: str, total: int) -> None:
        """Count one more finished item of `total`, named `last`."""
        key = ("", what)
        if key not in self._bars:
            self._bars[key] = self.progress.add_task(what, total=total, losses="")
        self.progress.update(self._bars[key], advance=1, losses=last)


class Watch:
    """Shows a label-free score of the model on some target samples while it trains.

    Args:
        shown: the bars that show the score.
        on_report: also called with the score, as in `Route.run`.
    """

    EVERY, SAMPLES = 100, 128  # steps between two scores, and target samples

    def __init__(self, shown: Bars, on_report: OnReport | None = None) -> None:
        self.shown, self.on_report = shown, on_report

    def look(self, trainer: Trainer) -> None:
        """An `on_checkpoint` of `run_folder.train`. Shows nothing if `live_score` returns None."""
        algorithm = trainer.algorithm
        if trainer.step % self.EVERY or not isinstance(algorithm, Objective):
            return
        some = torch.arange(min(self.SAMPLES, len(trainer.target)))
        model = algorithm.shipped()
        training = model.training
        found = live_score(model, model.inputs_of(trainer.target)[some])
        model.train(training)  # scoring has switched it to evaluation mode
        if found is not None:
            name, value = f"{found[0]} on real", found[1]
            self.shown.note = f"{name} {value:.3f}"
            if self.on_report is not None:
                self.on_report("train", trainer.step, trainer.loop.steps, {name: value})


def announce(shown: Bars, name: str, seed: int, at_once: int | None = None) -> None:
    """Set the title of the next bars; with `at_once` parallel trainings, count one that has finished.

    Without a terminal it prints a line.
    """
    if at_once is None:
        shown.title = f"{name}, seed {seed}:"
    else:
        shown.count("trainings", f"{name}, seed {seed}", at_once)
    if not console.is_terminal:
        console.print(f"{name}, seed {seed}")


@contextmanager
def bars(*, estimates: bool = True) -> Iterator[Bars]:
    """Progress bars while the context lasts; see `Bars`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}", style="dim"),
    )
    with Progress(*columns, console=console, disable=console.quiet or not console.is_terminal) as progress:
        yield Bars(progress, estimates=estimates)


class ReadingLines:
    """Says which images are read, and with many of them how far it is: a bar, or without a terminal a line at times.

    Args:
        clock: seconds.
    """

    EVERY = 10.0  # seconds between two lines

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._said = clock()

    def __call__(self, folder: Path, done: int, total: int) -> None:
        """An `OnRead` of `data.reading.progress`."""
        if done == 0:
            self._said = self.clock()
            console.print(f"reading {amount(total, 'image')} of {folder}", soft_wrap=True)
        elif self.clock() - self._said >= (1.0 if console.is_terminal else self.EVERY) and done < total:
            self._said = self.clock()
            console.print(f"reading {folder}: {done:,} of {total:,} images", soft_wrap=True)


@contextmanager
def reading_on_stderr() -> Iterator[None]:
    """Says on stderr which images are read, and what a folder was taken for, while the context lasts."""
    with told(ReadingLines(), lambda line: console.print(line, soft_wrap=True)):
        yield


@contextmanager
def warnings_on_stderr(log: Callable[[str], None] | None = None) -> Iterator[None]:
    """Prints the library's warnings as plain lines, and passes them to `log`."""

    def show(message: Any, *_: Any, **__: Any) -> None:
        console.warn(message)
        if log is not None:
            log(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield
