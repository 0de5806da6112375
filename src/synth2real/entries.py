"""Entries: the routes of a comparison, ranked without a real label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import evidence
from .estimates import Estimate
from .route import Route
from .tasks import Task
from .trials import Trial

SOURCE_ONLY = "source only"


@dataclass
class Entry:
    """A route with its trials, and its label-free score (`evidence.score`).

    Args:
        trials: of the last round that it took part in.
        score, tie: of its first trial; the second decides between equal scores.
        round: the last that it took part in, counted from 0.
        spent: seconds of all its trainings.
        estimate: of the metric on real data; None where nothing can be said.
        refused: why it was not to be chosen; empty where it was.
    """

    name: str
    route: Route
    trials: list[Trial] = field(default_factory=list)
    score: float = float("nan")
    tie: float = 0.0
    chosen: bool = False
    round: int = 0
    spent: float = 0.0
    estimate: Estimate | None = None
    refused: str = ""


def rank(entries: Sequence[Entry], task: Task) -> list[Entry]:
    """Score each entry by its first trial; the best first."""
    said = [entry.trials[0].target for entry in entries]
    wander = [entry.trials[0].wander for entry in entries]
    scores = evidence.score(said, task, [on_source(entry, task) for entry in entries], wander)
    for entry, (score, tie) in zip(entries, scores, strict=True):
        entry.score, entry.tie = score, tie
    return better(entries, task)


def better(entries: Sequence[Entry], task: Task) -> list[Entry]:
    """Entries that have been scored, the best first, ties by probabilities, then by the metric on the source."""
    return sorted(entries, key=lambda entry: (entry.score, entry.tie, on_source(entry, task)), reverse=True)


def on_source(entry: Entry, task: Task) -> float:
    """The metric of the first trial on held source samples, higher is better."""
    value = float(entry.trials[0].source_metrics[task.metric])
    return value if task.metric == "accuracy" else -value
