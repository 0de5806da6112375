"""Figures of quality: which lines of `scores.jsonl` a figure comes from, and how it is shown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Line = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """One figure of a table.

    Args:
        shown: the text, from the lines that match, oldest first.
        where: the fields that a line must have. A `machine` is the beginning of its name.
    """

    shown: Callable[[Sequence[Line]], str]
    where: dict[str, Any]

    def text(self, lines: Sequence[Line]) -> str | None:
        """The text, or None if no line matches."""
        found = [line for line in lines if all(_fits(line, key, value) for key, value in self.where.items())]
        return self.shown(found) if found else None


def _fits(line: Line, key: str, value: Any) -> bool:
    if key not in line:
        return False
    return str(line[key]).startswith(value) if key == "machine" else bool(line[key] == value)


def read(file: Path) -> list[Line]:
    """The lines of a results file; none if it is not there."""
    return [json.loads(text) for text in file.read_text("utf-8").splitlines()] if file.is_file() else []


def over_seeds(lines: Sequence[Line]) -> str:
    """Mean and deviation of lines of one seed each, the latest of each seed."""
    latest = {line["seed"]: line["accuracy"] for line in lines}
    return f"{statistics.mean(latest.values()):.3f} ± {statistics.stdev(latest.values()):.3f}"


def accuracy(lines: Sequence[Line]) -> str:
    """Mean and deviation of a line of several seeds."""
    return f"{lines[-1]['accuracy_mean']:.3f} ± {lines[-1]['accuracy_std']:.3f}"


def pixels(lines: Sequence[Line]) -> str:
    """Median error with its interval."""
    return "{median_px:.2f} ({median_low:.2f} to {median_high:.2f})".format(**lines[-1])


def degrees(lines: Sequence[Line]) -> str:
    """Mean error with its interval."""
    return "{mean_degrees:.2f} ({low:.2f} to {high:.2f})".format(**lines[-1])


def with_interval(key: str) -> Callable[[Sequence[Line]], str]:
    """One field of the latest line, with the interval of the line."""
    return lambda lines: "{:.3f} ({low:.3f} to {high:.3f})".format(lines[-1][key], **lines[-1])


def ap50_of(name: str) -> Callable[[Sequence[Line]], str]:
    """AP50 of one class."""
    return lambda lines: format(lines[-1]["ap50_of"][name], ".3f")


def within_degrees(lines: Sequence[Line]) -> str:
    """Shares within 3, 5, 7 and 10 degrees."""
    return " / ".join(f"{lines[-1][f'within_{most}']:.2f}".removeprefix("0") for most in (3, 5, 7, 10))


def field(key: str, form: str = ".3f") -> Callable[[Sequence[Line]], str]:
    """One field of the latest line."""
    return lambda lines: format(lines[-1][key], form)


def pair(name: str) -> Callable[[Sequence[Line]], str]:
    """Mean accuracy of one pair of categories of reviews, over seeds."""
    return lambda lines: f"{statistics.mean(lines[-1]['accuracy'][name]):.3f}"


def score_of(which: str) -> Callable[[Sequence[Line]], str]:
    """Score of the route that a line names under `which`, such as `chosen`; the route itself if it names none."""
    return lambda lines: f"{_score(lines[-1], which):.3f}"


def mean_score_of(which: str) -> Callable[[Sequence[Line]], str]:
    """The same, as a mean over the latest line of each name."""
    return lambda lines: f"{statistics.mean(_score(line, which) for line in _latest(lines)):.3f}"


def mean_field(key: str) -> Callable[[Sequence[Line]], str]:
    """Mean of one field over the latest line of each name."""
    return lambda lines: f"{statistics.mean(line[key] for line in _latest(lines)):.3f}"


def estimate(lines: Sequence[Line]) -> str:
    """Estimate without labels, with its interval."""
    line = lines[-1]
    return f"{line['estimate']:.3f} ({line['interval'][0]:.3f} to {line['interval'][1]:.3f})"


def _score(line: Line, which: str) -> float:
    return float(line["scores"][line.get(which, which)])


def _latest(lines: Sequence[Line]) -> list[Line]:
    return list({line["name"]: line for line in lines}.values())
