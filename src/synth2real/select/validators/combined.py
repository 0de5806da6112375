"""Witnesses: several label-free scores of a candidate, each led astray in its own way, as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...tasks import Classification, Task
from .agreement import ensemble_agreement
from .candidate import Pool
from .confidence import calibrated_bnm
from .source import source_score


@dataclass(frozen=True)
class CandidateOutputs:
    """What is known of a candidate without a real label.

    Args:
        said: probabilities (N, C) or values (N, K) on target samples, the same for all candidates.
        source: its score on the source, higher is better; not asked of classes.
        certainty: of its classes, at the temperature that fits the source (`temperature_scaled`, `normalised_nuclear_norm`); nan of
            values.
        wander: see the function of this name; where it is nan the other witnesses are heard alone.
    """

    said: Tensor
    source: float = math.nan
    calibrated_bnm: float = math.nan
    inconsistency: float = math.nan


def combined_scores(
    known: Sequence[CandidateOutputs], task: Task, *, balanced: bool = True, voted: bool = True
) -> list[float]:
    """What three witnesses say of each candidate together, 1 at best.

    Classes: the mean of agreement with all candidates together (`ensemble_agreement`), which passes over who is right
    alone; certainty, which believes who is sure; and steadiness, which believes who was trained to hold still. A
    candidate that is best by all three, or far ahead by two, is seldom wrong.

    Values: their units differ, so it is the mean of the candidate's ranks, as shares in 0..1, by agreement in which a
    candidate weighs by its source score, which follows a majority that errs alike; by steadiness; and by the source
    itself, which prefers who fits it most narrowly.

    Args:
        known: one of each candidate.
        task: of all.
        balanced: whether certainty is heard, which holds the target's classes for about equally many.
        voted: whether agreement is heard. Of texts it is not: networks on words err alike, and outvote closed forms.
    """
    said, source = [one.said for one in known], [one.source for one in known]
    if not isinstance(task, Classification):
        agreed = ensemble_agreement(said, task, source)
        return _mean([_ranks(agreed), _ranks(source), _ranks([-one.inconsistency for one in known])])
    heard = [[math.nan if math.isnan(one.inconsistency) else max(0.0, 1 - one.inconsistency) for one in known]]
    if balanced:
        heard.append([one.calibrated_bnm for one in known])
    if voted:
        heard.append(ensemble_agreement(said, task))
    return _mean(heard)


def combined(pool: Pool) -> list[float]:
    """Agreement and steadiness, with certainty for classes and the source for values, together; see `combined_scores`.

    Assumes that where one of the three is led astray the other two are not. Certainty holds the target's classes for
    about equally many.
    """
    certain = calibrated_bnm(pool) if isinstance(pool.task, Classification) else [math.nan] * len(pool.candidates)
    each = zip(pool.target, source_score(pool), certain, pool.candidates, strict=True)
    return combined_scores(
        [CandidateOutputs(said, of, sure, one.inconsistency) for said, of, sure, one in each], pool.task
    )


def _mean(scores: list[list[float]]) -> list[float]:
    found: list[float] = torch.tensor(scores, dtype=torch.float64).nanmean(0).tolist()
    return found


def _ranks(scores: Sequence[float]) -> list[float]:
    """Ranks as shares of all, in the middle of their steps; equal scores rank alike, and a nan has none."""
    from scipy.stats import rankdata

    known = [score for score in scores if not math.isnan(score)]
    ranks = iter(((rankdata(known) - 0.5) / max(1, len(known))).tolist())
    return [math.nan if math.isnan(score) else next(ranks) for score in scores]
