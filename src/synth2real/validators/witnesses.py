"""Witnesses: agreement with all candidates, certainty and steadiness, each led astray in its own way, as one score."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..tasks import Task
from .agreement import ensemble_agreement
from .candidate import Pool
from .confidence import sure_and_balanced


def witnessed(predictions: Sequence[Tensor], task: Task, wander: Sequence[float]) -> list[float]:
    """Mean of three shares of each candidate, all of them 1 at best: agreement, certainty and steadiness.

    Agreement with all candidates together (`ensemble_agreement`) passes over who is right alone; certainty
    (`sure_and_balanced`) believes who is sure; steadiness believes who was trained to hold still. A candidate that is
    best by all three, or far ahead by two, is seldom wrong.

    Args:
        predictions: probabilities (N, C) of each candidate on the same target samples.
        task: a classification.
        wander: of each candidate (see `Candidate`); where it is nan, as of features, the other two are taken.
    """
    agreed = ensemble_agreement(predictions, task)
    sure = [sure_and_balanced(one) for one in predictions]
    steady = [math.nan if math.isnan(one) else max(0.0, 1 - one) for one in wander]
    scores: list[float] = torch.tensor([agreed, sure, steady], dtype=torch.float64).nanmean(0).tolist()
    return scores


def witnesses(pool: Pool) -> list[float]:
    """Agreement, certainty and steadiness together: the mean of `ensv`, `bnm` and 1 + `steadiness`.

    Assumes that where one of the three is led astray the other two are not; see `witnessed`. Certainty holds the
    target's classes for about equally many.
    """
    return witnessed(pool.target, pool.task, [one.wander for one in pool.candidates])
