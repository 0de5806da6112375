"""Estimates of the mean error of values, points and gaze; importance weighting also estimates accuracies."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...tasks import Classification
from ..validators import Pool, apart
from .base import ALONE, DRAWS, Estimate, NoEstimate, bootstrap, deviations, enough, errors_on_source, samples_of

APART = 2  # fewest candidates of calibrated disagreement
WIDEST = 50  # the ends of an interval are at most this factor apart; a wider one says nothing
GROWN_APART = 0.5  # standard deviation of the log ratio that is assumed for a single pair; 0.1 to 0.7 on six benchmarks


def importance_weighting(pool: Pool, index: int) -> Estimate:
    """The source's accuracy or mean error, weighted by importance towards the target (self-normalised).

    The weights come from the candidate's own features. The assumption and the failures are those of
    `validators.iwv`. If the domains are far apart, the interval is narrow and misses the true value.

    References:
        Sugiyama, Krauledat & Müller (2007). JMLR 8.
    """
    errors, weights = errors_on_source(pool, index), pool.candidates[index].importance.double()

    def statistic(i: Tensor, j: Tensor, k: Tensor | None) -> float:
        risk = float((weights[i] * errors[i]).sum() / weights[i].sum())
        return 1 - risk if isinstance(pool.task, Classification) else risk

    return bootstrap(statistic, samples_of(pool)[0], ALONE)


def calibrated_disagreement(pool: Pool, index: int) -> Estimate:
    """The source error, scaled by the ratio of candidate disagreement, target to source.

    For values. The ratio of a pair is its mean distance on the target over its mean distance on the source. The
    geometric mean over all pairs is used. Assumes that the error of a candidate grows like its distance to the others.
    The interval is a prediction interval for one more such ratio, from Student's t. The estimate misses errors that
    all candidates share on the target only; then it is too low.

    Raises:
        NoEstimate: the pool has only one candidate, or the interval would span more than a factor of 50.

    References:
        After Jiang et al. (2022, disagreement of seeds, ICLR), Lakshminarayanan et al. (2017, NeurIPS) and, of pairs,
        Baek et al. (2022, NeurIPS).
    """
    enough(len(pool.candidates), APART, "candidate(s)", "compare their distances")
    errors = errors_on_source(pool, index)
    one, other = torch.combinations(torch.arange(len(pool.candidates)), 2).T.tolist()
    source, target = (
        torch.stack([apart(pool.task, predictions[a], predictions[b]) for a, b in zip(one, other, strict=True)])
        .nan_to_num(0)
        .double()
        for predictions in (pool.source, pool.target)
    )
    moved = deviations(max(2, len(pool.candidates) - 2), len(one))

    def statistic(i: Tensor, j: Tensor, k: Tensor | None) -> float:
        on_source, on_target = (part.mean(1).clamp(min=1e-9) for part in (source[:, i], target[:, j]))
        grown = (on_target / on_source).log()
        spread = float(grown.std()) if len(one) > 1 else GROWN_APART
        deviation = 0.0 if k is None else float(moved[k[0]]) * spread
        return float(errors[i].mean()) * math.exp(float(grown.mean()) + deviation)

    found = bootstrap(statistic, *samples_of(pool), DRAWS)
    if found.high > WIDEST * found.low:
        raise NoEstimate(
            f"no estimate: its interval would be {found.low:.3g} to {found.high:.3g}, expected ends that are at most a "
            f"factor of {WIDEST} apart. Train more routes"
        )
    return found
