"""Combined score: several label-free scores of a candidate in one, because each of them fails in a different way."""

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
from .source_risk import source_score


@dataclass(frozen=True)
class CandidateOutputs:
    """Outputs and scores of a candidate that are known without real labels.

    Args:
        predictions: probabilities (N, C) or values (N, K) on target samples, the same samples for all candidates.
        source_score: score on the source, higher is better; not used for classes.
        calibrated_bnm: BNM of the probabilities at the temperature that fits the source (`temperature_scaled`,
            `normalised_nuclear_norm`); nan for values.
        inconsistency: see `candidate.inconsistency`; if it is nan, only the other scores are used.
    """

    predictions: Tensor
    source_score: float = math.nan
    calibrated_bnm: float = math.nan
    inconsistency: float = math.nan


def combined_scores(
    candidates: Sequence[CandidateOutputs], task: Task, *, balanced: bool = True, voted: bool = True
) -> list[float]:
    """The mean of three label-free scores for each candidate, at most 1.

    Classes: the mean of agreement with all candidates together (`ensemble_agreement`), calibrated BNM, and 1 minus
    the inconsistency. Each fails in a different way. Agreement underrates a candidate that is right when the others are
    wrong. Calibrated BNM overrates confident candidates. Consistency overrates candidates that were trained to be
    consistent. A candidate that is best in all three, or far ahead in two, is seldom wrong.

    Values: the three scores have different units, so the mean is over the candidate's ranks, as shares in 0..1. The
    ranks are by three scores. Agreement, weighted by source score, follows a majority that shares an error. Consistency
    fails as above. The source score prefers candidates that overfit the source.

    Args:
        candidates: outputs of each candidate.
        task: of all candidates.
        balanced: use calibrated BNM, which assumes that the target's classes are about equally frequent.
        voted: use agreement. Do not use it for texts: networks on words share errors and outvote closed forms.
    """
    predictions, source = [one.predictions for one in candidates], [one.source_score for one in candidates]
    if not isinstance(task, Classification):
        agreed = ensemble_agreement(predictions, task, source)
        return _mean([_ranks(agreed), _ranks(source), _ranks([-one.inconsistency for one in candidates])])
    scores = [[math.nan if math.isnan(one.inconsistency) else max(0.0, 1 - one.inconsistency) for one in candidates]]
    if balanced:
        scores.append([one.calibrated_bnm for one in candidates])
    if voted:
        scores.append(ensemble_agreement(predictions, task))
    return _mean(scores)


def combined(pool: Pool) -> list[float]:
    """Agreement, augmentation consistency, and calibrated BNM (classes) or the source score (values) in one score.

    See `combined_scores`. Assumes that if one of the three scores fails, the other two do not. Calibrated BNM assumes
    that the target's classes are about equally frequent.
    """
    bnm = calibrated_bnm(pool) if isinstance(pool.task, Classification) else [math.nan] * len(pool.candidates)
    each = zip(pool.target, source_score(pool), bnm, pool.candidates, strict=True)
    return combined_scores(
        [CandidateOutputs(target, source, norm, one.inconsistency) for target, source, norm, one in each], pool.task
    )


def _mean(scores: list[list[float]]) -> list[float]:
    found: list[float] = torch.tensor(scores, dtype=torch.float64).nanmean(0).tolist()
    return found


def _ranks(scores: Sequence[float]) -> list[float]:
    """Ranks (r - 0.5) / count in 0..1; equal scores share a rank, and a nan stays nan."""
    from scipy.stats import rankdata

    known = [score for score in scores if not math.isnan(score)]
    ranks = iter(((rankdata(known) - 0.5) / max(1, len(known))).tolist())
    return [math.nan if math.isnan(score) else next(ranks) for score in scores]
