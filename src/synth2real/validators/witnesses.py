"""Witnesses: several label-free scores of a candidate, each led astray in its own way, as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..tasks import Classification, Task
from .agreement import ensemble_agreement
from .candidate import Pool
from .confidence import sure_and_balanced
from .source import source_score


def witnessed(
    predictions: Sequence[Tensor], task: Task, source: Sequence[float], wander: Sequence[float], balanced: bool = True
) -> list[float]:
    """What three witnesses say of each candidate together, 1 at best.

    Classes: the mean of agreement with all candidates together (`ensemble_agreement`), which passes over who is right
    alone; certainty (`sure_and_balanced`), which believes who is sure; and steadiness, which believes who was trained
    to hold still. A candidate that is best by all three, or far ahead by two, is seldom wrong.

    Values: their units differ, so it is the mean of the candidate's ranks, as shares in 0..1, by agreement in which a
    candidate weighs by its source score, which follows a majority that errs alike; by steadiness; and by the source
    itself, which prefers who fits it most narrowly.

    Args:
        predictions: one tensor (N, C) of probabilities or (N, K) of values a candidate, on the same target samples.
        task: whose predictions they are.
        source: a score of each candidate on the source, higher is better; not asked of classes.
        wander: of each candidate (see `Candidate`); where it is nan, as of features, the other two are taken.
        balanced: whether certainty is heard, which holds the target's classes for about equally many.
    """
    if not isinstance(task, Classification):
        agreed = ensemble_agreement(predictions, task, source)
        return _mean([_ranks(agreed), _ranks(source), _ranks([-one for one in wander])])
    agreed = ensemble_agreement(predictions, task)
    sure = [sure_and_balanced(one) for one in predictions]
    steady = [math.nan if math.isnan(one) else max(0.0, 1 - one) for one in wander]
    return _mean([agreed, sure, steady] if balanced else [agreed, steady])


def witnesses(pool: Pool) -> list[float]:
    """Agreement and steadiness, with certainty for classes and the source for values, together; see `witnessed`.

    Assumes that where one of the three is led astray the other two are not. Certainty holds the target's classes for
    about equally many.
    """
    return witnessed(pool.target, pool.task, source_score(pool), [one.wander for one in pool.candidates])


def _mean(scores: list[list[float]]) -> list[float]:
    found: list[float] = torch.tensor(scores, dtype=torch.float64).nanmean(0).tolist()
    return found


def _ranks(scores: Sequence[float]) -> list[float]:
    """Ranks as shares of all, in the middle of their steps; equal scores rank alike, and a nan has none."""
    from scipy.stats import rankdata

    known = [score for score in scores if not math.isnan(score)]
    ranks = iter(((rankdata(known) - 0.5) / max(1, len(known))).tolist())
    return [math.nan if math.isnan(score) else next(ranks) for score in scores]
