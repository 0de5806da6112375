"""Route candidates of a comparison, with their scores without real labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..route.route import Route
from ..select.estimates import Estimate
from ..select.validators import sample_scores
from ..tasks.base import Task
from .evaluation import Trial

SOURCE_ONLY = "source only"
BASELINE = "randomized"  # the usual name of the baseline: source only, with the same randomization as the other routes


@dataclass
class RouteCandidate:
    """A route with its trials and its label-free score (`validators.sample_scores`).

    Args:
        name: name of the route.
        route: the route itself.
        trials: trials of the last round of the route.
        samples: mean score over the trials of each target sample that `evaluation.some` selects, (N,) float64; None
            if it was not scored, or if no score is known for the task.
        chosen: whether it is the route to ship.
        round: last round of the route, counted from 0.
        spent: training time of all trials in seconds.
        estimate: estimated metric on real data; None if no estimate is possible.
        no_estimate: reason why it is not possible.
        refused: reason why the route must not be chosen; empty if it may be chosen.
        learnt: whether it has learnt the source (`validators.has_learnt`).
    """

    name: str
    route: Route
    trials: list[Trial] = field(default_factory=list)
    samples: Tensor | None = None
    chosen: bool = False
    round: int = 0
    spent: float = 0.0
    estimate: Estimate | None = None
    no_estimate: str = ""
    refused: str = ""
    learnt: bool = True

    @property
    def score(self) -> float:
        """The label-free score: higher is better; nan if it is not known."""
        return float("nan") if self.samples is None else float(self.samples.mean())


def set_scores(
    candidates: Sequence[RouteCandidate], task: Task, labels: Tensor, *, balanced: bool = True, voted: bool = True
) -> None:
    """Score every candidate by its trials, among the others.

    A score depends on the seed as much as on the route, so all trials are used. The first trials of all candidates are
    scored together, then the second trials, and so on; the scores are averaged. If a candidate has fewer trials, its
    last trial is used again.

    Args:
        candidates: trained equally long.
        task, labels, balanced, voted: as in `validators.sample_scores`.
    """
    rounds = [
        [candidate.trials[min(k, len(candidate.trials) - 1)].outputs for candidate in candidates]
        for k in range(max(len(candidate.trials) for candidate in candidates))
    ]
    each = [sample_scores(outputs, task, labels, balanced=balanced, voted=voted) for outputs in rounds]
    known = [scores for scores in each if scores is not None]
    means = torch.stack(known).mean(0) if known else [None] * len(candidates)
    for candidate, samples in zip(candidates, means, strict=True):
        candidate.samples = samples


def better(candidates: Sequence[RouteCandidate], task: Task) -> list[RouteCandidate]:
    """The candidates, the best score first. Ties, and unknown scores, are decided by the metric on the source."""

    def merit(candidate: RouteCandidate) -> tuple[float, float]:
        score = candidate.score
        return (float("-inf") if score != score else score), on_source(candidate, task)

    return sorted(candidates, key=merit, reverse=True)


def on_source(candidate: RouteCandidate, task: Task) -> float:
    """Mean metric of its trials on held-out source samples; errors are negated, so higher is better."""
    values = [float(trial.source_metrics[task.metric]) for trial in candidate.trials]
    mean = sum(values) / len(values)
    return mean if task.higher_is_better else -mean
