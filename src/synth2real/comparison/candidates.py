"""Entries: the routes of a comparison, ranked without a real label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ..route.route import Route
from ..select import decision as evidence
from ..select.estimates import Estimate
from ..select.validators import Known
from ..tasks.base import Task
from .trials import Trial

SOURCE_ONLY = "source only"


@dataclass
class Entry:
    """A route with its trials, and its label-free score (`evidence.score`).

    Args:
        trials: of the last round that it took part in.
        score, tie: the mean of its trials'; the second decides between equal scores.
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


def rank(entries: Sequence[Entry], task: Task, *, balanced: bool = True, voted: bool = True) -> list[Entry]:
    """Score each entry by its trials, each beside as many of the others' as there are entries; the best first.

    A seed moves a score by as much as routes differ, so all are heard: the first trials side by side, then the second,
    and so on, where the last of an entry that has fewer stands in for more. `balanced` and `voted` as in
    `validators.witnessed`.
    """
    rounds = [
        [entry.trials[min(k, len(entry.trials) - 1)] for entry in entries]
        for k in range(max(len(entry.trials) for entry in entries))
    ]
    each = [evidence.score(known(trials, task), task, balanced=balanced, voted=voted) for trials in rounds]
    scores = torch.tensor(each, dtype=torch.float64).mean(0)
    for entry, (score, tie) in zip(entries, scores.tolist(), strict=True):
        entry.score, entry.tie = score, tie
    return better(entries, task)


def known(trials: Sequence[Trial], task: Task) -> list[Known]:
    """What is known of each trial without a real label."""
    return [Known(trial.target, _merit(trial, task), trial.certainty, trial.wander) for trial in trials]


def better(entries: Sequence[Entry], task: Task) -> list[Entry]:
    """Entries that have been scored, the best first, ties by probabilities, then by the metric on the source."""
    return sorted(entries, key=lambda entry: (entry.score, entry.tie, on_source(entry, task)), reverse=True)


def on_source(entry: Entry, task: Task) -> float:
    """The mean of the metric of its trials on held source samples, higher is better."""
    return sum(_merit(trial, task) for trial in entry.trials) / len(entry.trials)


def _merit(trial: Trial, task: Task) -> float:
    value = float(trial.source_metrics[task.metric])
    return value if task.metric == "accuracy" else -value
