"""Route candidates of a comparison, ranked without real labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ..route.route import Route
from ..select import decision
from ..select.estimates import Estimate
from ..select.validators import CandidateOutputs
from ..tasks.base import Task
from .evaluation import Trial

SOURCE_ONLY = "source only"


@dataclass
class RouteCandidate:
    """A route with its trials and its label-free score (`decision.score`).

    Args:
        name: name of the route.
        route: the route itself.
        trials: trials of the last round of the route.
        score, tie: mean scores over the trials; `tie` decides between equal scores.
        chosen: whether it is the route to ship.
        round: last round of the route, counted from 0.
        spent: training time of all trials in seconds.
        estimate: estimated metric on real data; None if no estimate is possible.
        refused: reason why the route must not be chosen; empty if it may be chosen.
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
    """Score every candidate by its trials; returns the candidates, the best first.

    A score depends on the seed as much as on the route, so all trials are used. The first trials of all candidates are
    scored together, then the second trials, and so on; the scores are averaged. If a candidate has fewer trials, its
    last trial is used again. `balanced` and `voted` are as in `validators.combined_scores`.
    """
    rounds = [
        [candidate.trials[min(k, len(candidate.trials) - 1)] for candidate in candidates]
        for k in range(max(len(candidate.trials) for candidate in candidates))
    ]
    each = [decision.score(known(trials, task), task, balanced=balanced, voted=voted) for trials in rounds]
    scores = torch.tensor(each, dtype=torch.float64).mean(0)
    for candidate, (score, tie) in zip(candidates, scores.tolist(), strict=True):
        candidate.score, candidate.tie = score, tie
    return better(candidates, task)


def known(trials: Sequence[Trial], task: Task) -> list[CandidateOutputs]:
    """Outputs and scores of each trial that are known without real labels."""
    return [
        CandidateOutputs(trial.target, _merit(trial, task), trial.calibrated_bnm, trial.inconsistency)
        for trial in trials
    ]


def better(candidates: Sequence[RouteCandidate], task: Task) -> list[RouteCandidate]:
    """Scored candidates, the best first; ties are decided by `tie`, then by the metric on the source."""
    return sorted(
        candidates, key=lambda candidate: (candidate.score, candidate.tie, on_source(candidate, task)), reverse=True
    )


def on_source(candidate: RouteCandidate, task: Task) -> float:
    """Mean metric of its trials on held-out source samples; errors are negated, so higher is better."""
    return sum(_merit(trial, task) for trial in candidate.trials) / len(candidate.trials)


def _merit(trial: Trial, task: Task) -> float:
    value = float(trial.source_metrics[task.metric])
    return value if task.metric == "accuracy" else -value
