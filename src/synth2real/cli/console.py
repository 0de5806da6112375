"""Progress bars and lines that commands show on stderr."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..adapt import Objective
from ..route.route import OnReport
from ..select.validators import live_score
from ..training.loop import Trainer

console = Console(stderr=True, highlight=False, markup=False)
if not console.is_terminal:
    console.width = 110  # a log file has no width; tables fit in this one


class Bars:
    """One progress bar for each stage, with the latest losses behind it."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.title = ""
        self.note = ""  # shown behind the losses
        self._bars: dict[tuple[str, str], TaskID] = {}

    def report(self, stage: str, step: int, steps: int, terms: dict[str, float]) -> None:
        """An `on_report` of `Route.run`."""
        key = (self.title, stage)
        if key not in self._bars:
            self._bars[key] = self.progress.add_task(f"{self.title} {stage}".strip(), total=steps, losses="")
        losses = " ".join(f"{name} {value:.3f}" for name, value in terms.items())
        self.progress.update(self._bars[key], completed=step, total=steps, losses=f"{losses} {self.note}")

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
        found = live_score(model, trainer.target.inputs[some])
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
def bars() -> Iterator[Bars]:
    """Progress bars while the context lasts. Without a terminal nothing is shown."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}", style="dim"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Bars(progress)


@contextmanager
def warnings_on_stderr(log: Callable[[str], None] | None = None) -> Iterator[None]:
    """Prints the library's warnings as plain lines, and passes them to `log`."""

    def show(message: Any, *_: Any, **__: Any) -> None:
        console.print(f"warning: {message}", soft_wrap=True)
        if log is not None:
            log(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield
