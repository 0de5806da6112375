"""What a run records of its stages: seconds, losses, and steps for whoever watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from ..training.loop import Loop, Report

Rows = list[dict[str, float]]
OnReport = Callable[[str, int, int, dict[str, float]], None]
OnStep = Callable[[str, int, int], None]


class Recorder:
    """Keeps the seconds and the reported losses of each stage."""

    def __init__(self, on_report: OnReport | None, on_step: OnStep | None) -> None:
        self.on_report, self.on_step = on_report, on_step
        self.seconds: dict[str, float] = {}
        self.history: dict[str, Rows] = {}

    @contextmanager
    def stage(self, name: str, steps: int = 0) -> Iterator[Report]:
        rows: Rows = []

        def report(step: int, terms: dict[str, float]) -> None:
            rows.append({"step": step, **terms})
            if self.on_report is not None:
                self.on_report(name, step, steps, terms)

        start = time.perf_counter()
        yield report
        self.seconds[name] = time.perf_counter() - start
        if rows:
            self.history[name] = rows

    def watched(self, loop: Loop, stage: str) -> Loop:
        """The loop of a stage, with its steps counted."""
        return loop if self.on_step is None else replace(loop, on_step=partial(self.on_step, stage))


def both(first: OnReport, second: OnReport | None) -> OnReport:
    """A report callback that calls each of the two."""

    def report(stage: str, step: int, steps: int, terms: dict[str, float]) -> None:
        for each in (first, second):
            if each is not None:
                each(stage, step, steps, terms)

    return report
