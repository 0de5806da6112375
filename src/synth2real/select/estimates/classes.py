"""Estimates of the accuracy of a classifier on the unlabelled target."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...data.groups import half_width
from ...measure.discrepancies import entropy
from ..agreement_rates import (
    accuracy_of,
    agreements,
    known_from_source,
    pairs,
    skills_from_agreements,
)
from ..validators import Pool, has_learnt
from .base import (
    ALONE,
    DRAWS,
    Estimate,
    bootstrap,
    deviations,
    enough,
    errors_on_source,
    one_class,
    samples_of,
)

RATED, ON_A_LINE = 3, 3  # fewest candidates: agreement rates, agreement on the line
CHANCE = 0.99  # confidence with which an agreement must be above chance; a pool has several candidates
QUANTILES = torch.special.ndtri(torch.linspace(0.025, 0.975, 96, dtype=torch.float64))  # of a normal distribution
TRANSPORTED = 500  # most samples on which a transport problem is solved


def thresholded_confidence(pool: Pool, index: int) -> Estimate:
    """ATC: share of target samples whose confidence is above a threshold.

    The threshold is chosen on the source: the share of source samples above it equals the source accuracy. Confidence
    is minus the entropy. Assumes that confidence relates to correctness in the same way in both domains. The estimate
    is too high after self-training, or any other training that increases confidence on the target.

    References:
        Garg, Balakrishnan, Lipton, Neyshabur & Sedghi (2022). Leveraging unlabeled data to predict out-of-distribution
        performance. ICLR.
    """
    one = pool.candidates[index]
    source, target = -entropy(one.source.softmax(1)), -entropy(one.target.softmax(1))
    right = 1 - errors_on_source(pool, index)

    def statistic(i: Tensor, j: Tensor, _: Tensor | None) -> float:
        ordered = source[i].sort().values
        wrong = round(float((1 - right[i]).sum()))
        if wrong == 0:
            return float((target[j] >= ordered[0]).double().mean())
        return float((target[j] > ordered[wrong - 1]).double().mean())

    return bootstrap(statistic, *samples_of(pool))


def transport(pool: Pool, index: int) -> Estimate:
    """COT: 1 minus the cost of optimal transport from target predictions to one-hot labels in the source's shares.

    The cost of a sample and a class is 1 minus the predicted probability of that class. Assumes that the target has the
    class shares of the source, or the pool's `prior`. A confident model that predicts the right shares gets a high
    estimate, even if its predictions are wrong. Solved exactly, on at most 500 samples.

    References:
        Lu, Wang, Zhai, Kolouri, Campbell & Sycara (2023). Characterizing out-of-distribution error via optimal
        transport. NeurIPS.
    """
    from scipy.optimize import linear_sum_assignment

    p = pool.candidates[index].target.softmax(1)
    some = torch.linspace(0, len(p) - 1, min(len(p), TRANSPORTED)).long()
    p, groups = p[some].double(), None if pool.target_groups is None else pool.target_groups[some]
    counts = torch.bincount(pool.labels, minlength=p.shape[1]).double()
    prior = counts if pool.prior is None else pool.prior.double()
    ends = (prior.cumsum(0) / prior.sum() * len(p)).round().long()
    classes = torch.searchsorted(ends, torch.arange(len(p)), right=True).clamp(max=p.shape[1] - 1)
    cost = (1 - p)[:, classes].numpy()
    rows, columns = linear_sum_assignment(cost)
    each = torch.from_numpy(cost[rows, columns])
    # The transport is solved once. The interval comes from resampling the cost of each sample.
    return bootstrap(lambda i, j, k: 1 - float(each[j].mean()), ALONE, (len(each), groups))


def agreement_on_the_line(pool: Pool, index: int) -> Estimate:
    """ALine-S: the source accuracy, mapped to the target by a line through the agreements of all pairs of candidates.

    For many shifts (such as noise and light), target agreement is a linear function of source agreement, in probits,
    and accuracy follows the same line. This may fail if the methods adapt differently, or if the candidates are
    accurate on every source sample. `fit_of_line` measures how well the agreements fit a line. The interval is a
    prediction interval for one more pair, from Student's t with M - 2 degrees of freedom for M candidates.

    Raises:
        NoEstimate: fewer than three candidates.

    References:
        Baek, Jiang, Raghunathan & Kolter (2022). Agreement-on-the-line: predicting the performance of neural networks
        under distribution shift. NeurIPS.
    """
    count = len(pool.candidates)
    enough(count, ON_A_LINE, "candidate(s)", "fit a line to their agreements")
    source, target = map(_agreed, _votes(pool))
    right = 1 - errors_on_source(pool, index)[None]
    moved = deviations(count - 2, len(source))

    def statistic(i: Tensor, j: Tensor, k: Tensor | None) -> float:
        x, y = _probit(source, i), _probit(target, j)
        slope, start = _line(x, y)
        spread = float((y - slope * x - start).square().sum().div(len(x) - 2).sqrt())
        residual = 0.0 if k is None else float(moved[k[0]]) * spread
        return float(torch.special.ndtr(_probit(right, i)[0] * slope + start + residual))

    return bootstrap(statistic, *samples_of(pool), DRAWS)


def agreement_rates(pool: Pool, index: int) -> Estimate:
    """The accuracy that explains how often the candidates agree with each other.

    If errors of different candidates were independent, the agreements of all pairs would determine the accuracy of
    each (see `agreement_rates.py`). They are not independent. How much they depend on each other is measured on the
    source; on the target it is less, the more accuracy is lost. The interval includes how much this differs between
    pools and between pairs, and the number of samples. Candidates that have not learnt the source, or predict one class
    for nearly all of the target, are left out.

    A candidate whose agreement with all others is at chance is estimated at chance. Its interval is open above: if the
    others are at chance, its agreement with them says nothing.

    Known failures: candidates that share most of their errors on the target (with two classes: that confuse the
    classes alike) are estimated too high; the interval covers moderate cases only. With few candidates, one that
    differs from the others is estimated as the worst, even if it is right.

    Raises:
        NoEstimate: fewer than three candidates are left.

    References:
        After Platanios, Blum & Mitchell (2014). Estimating accuracy from unlabeled data. UAI.
    """
    learnt = has_learnt(pool.source, pool.labels, pool.task)
    taken = [i for i, of in enumerate(learnt) if of and not one_class(pool.candidates[i].target)]
    what = "candidate(s) that have learnt the source and predict different classes on the target"
    enough(len(taken), RATED, what, "determine their accuracies from their agreements")
    place, classes = taken.index(index), pool.task.outputs
    source, target = (votes[taken] for votes in _votes(pool))
    known = known_from_source(source, pool.labels, classes, pool.source_groups)
    agreed = agreements(target, classes)
    found = skills_from_agreements(agreed, known, classes, pool.target_groups)
    one, other = pairs(len(taken))
    own = (one == place) | (other == place)
    at_chance = float(agreed.values[own].mean()) <= half_width(
        agreed.influence[own].mean(0), pool.target_groups, CHANCE
    )
    likely = accuracy_of(found.z[place] + found.errors[place] * QUANTILES, classes)  # under the normal posterior
    count = target.shape[1]  # the ends are rounded outward to whole samples
    low, high = math.floor(count * float(likely[0])) / count, math.ceil(count * float(likely[-1])) / count
    return Estimate(*((1 / classes, 1 / classes, high) if at_chance else (float(likely.mean()), low, high)))


def fit_of_line(pool: Pool) -> float:
    """R² (0..1) of the line through the agreements of all pairs. Below 0.95, do not trust `agreement_on_the_line`."""
    both = torch.stack([_probit(agreed, torch.arange(agreed.shape[1])) for agreed in map(_agreed, _votes(pool))])
    return float(torch.corrcoef(both)[0, 1].square().nan_to_num(0))


def _votes(pool: Pool) -> tuple[Tensor, Tensor]:
    """Predicted class of each candidate for each source (M, N) and each target sample (M, N'), int64."""
    source, target = (torch.stack([p.argmax(1) for p in domain]) for domain in (pool.source, pool.target))
    return source, target


def _agreed(votes: Tensor) -> Tensor:
    """For each pair of classifiers, 1 where both predict the same class: (P, N) float64, from (M, N) int64 classes."""
    one, other = pairs(len(votes))
    return (votes[one] == votes[other]).double()


def _probit(right: Tensor, index: Tensor) -> Tensor:
    """Probit of each row's mean over the samples at `index`; the means are kept half a sample away from 0 and 1."""
    count = right.shape[1]
    times = torch.bincount(index, minlength=count).double()
    half = 0.5 / count
    share: Tensor = right @ times / len(index)
    probit: Tensor = torch.special.ndtri(share.clamp(half, 1 - half))
    return probit


def _line(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Slope and intercept of the least squares line; the slope is 1 if all x are equal."""
    centred = x - x.mean()
    spread = float(centred.square().sum())
    slope = float((centred * y).sum()) / spread if spread > 1e-9 else 1.0
    return slope, float(y.mean() - slope * x.mean())
