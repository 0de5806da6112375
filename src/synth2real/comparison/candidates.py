"""Entries: the routes of a comparison, ranked without a real label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ..route.route import Route
from ..select import decision as evidence
from ..select.estimates import Estimate
from ..select.validators import CandidateOutputs
from ..tasks.base import Task
from .evaluation import Trial

SOURCE_ONLY = "source only"


@dataclass
class RouteCandidate:
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


def rank(
    candidates: Sequence[RouteCandidate], task: Task, *, balanced: bool = True, voted: bool = True
) -> list[RouteCandidate]:
    """Score each entry by its trials, each beside as many of the others' as there are entries; the best first.

    A seed moves a score by as much as routes differ, so all are heard: the first trials side by side, then the second,
    and so on, where the last of an entry that has fewer stands in for more. `balanced` and `voted` as in
    `validators.combined_scores`.
    """
    rounds = [
        [candidate.trials[min(k, len(candidate.trials) - 1)] for candidate in candidates]
        for k in range(max(len(candidate.trials) for candidate in candidates))
    ]
    each = [evidence.score(known(trials, task), task, balanced=balanced, voted=voted) for trials in rounds]
    scores = torch.tensor(each, dtype=torch.float64).mean(0)
    for candidate, (score, tie) in zip(candidates, scores.tolist(), strict=True):
        candidate.score, candidate.tie = score, tie
    return better(candidates, task)


def known(trials: Sequence[Trial], task: Task) -> list[CandidateOutputs]:
    """What is known of each trial without a real label."""
    return [
        CandidateOutputs(trial.target, _merit(trial, task), trial.calibrated_bnm, trial.inconsistency)
        for trial in trials
    ]


def better(candidates: Sequence[RouteCandidate], task: Task) -> list[RouteCandidate]:
    """Entries that have been scored, the best first, ties by probabilities, then by the metric on the source."""
    return sorted(
        candidates, key=lambda candidate: (candidate.score, candidate.tie, on_source(candidate, task)), reverse=True
    )


def on_source(candidate: RouteCandidate, task: Task) -> float:
    """The mean of the metric of its trials on held source samples, higher is better."""
    return sum(_merit(trial, task) for trial in candidate.trials) / len(candidate.trials)


def _merit(trial: Trial, task: Task) -> float:
    value = float(trial.source_metrics[task.metric])
    return value if task.metric == "accuracy" else -value
