"""Estimates of the accuracy or mean error of a trained model on the unlabelled target, each with an interval.

No real label is used. Classes: accuracy, higher is better. Values: mean error, lower is better, in the units of
`validators.apart`.

An interval is computed by resampling samples, or whole groups if the pool has groups. It measures how much the estimate
depends on the samples. It does not measure whether the assumption of the estimate holds. Estimates that use other
candidates also resample these, or include how far the candidates deviate from the assumption. Only
`disagreement_bound` accounts for the gap itself, under the assumption given there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.groups import redrawn, standard_error
from ..errors import InputError
from ..measure.discrepancies import entropy
from ..settings import present_name
from ..tasks import Classification
from .agreement_rates import accuracies_from_agreements, pairs
from .validators import Candidate, Pool, apart

DRAWS = 200  # resamples of a bootstrap
STEPS, RATE, RESTARTS = 200, 0.05, 3  # of the critic's training
RATED, ON_A_LINE, APART = 3, 3, 2  # fewest candidates: agreement rates, agreement on the line, calibrated disagreement
EDGE = 0.01  # source accuracies are clamped to EDGE..1 - EDGE before logits are computed
GROWN_APART = 0.5  # standard deviation of the log ratio that is assumed for a single pair; 0.1 to 0.7 on six benchmarks
TRANSPORTED = 500  # most samples on which a transport problem is solved


@dataclass(frozen=True)
class Estimate:
    """An estimated accuracy or mean error, and its 95 % interval."""

    value: float
    low: float
    high: float


Statistic = Callable[[Tensor, Tensor, Tensor | None], float]
Samples = tuple[int, Tensor | None]  # number of samples, and the group of each
ALONE: Samples = (1, None)


def _bootstrap(statistic: Statistic, sources: Samples, targets: Samples, peers: int = 1) -> Estimate:
    """A statistic of source, target and peer indices, and its percentiles over resamples; None stands for all peers."""
    generator = torch.Generator().manual_seed(0)

    def resampled() -> float:
        index = [redrawn(count, groups, generator) for count, groups in (sources, targets, (peers, None))]
        return statistic(index[0], index[1], index[2])

    value = statistic(torch.arange(sources[0]), torch.arange(targets[0]), None)
    spread = torch.tensor([resampled() for _ in range(DRAWS)], dtype=torch.float64)
    low, high = spread.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Estimate(value, min(low, value), max(high, value))


def thresholded_confidence(pool: Pool, index: int) -> Estimate:
    """ATC: share of target samples whose confidence is above a threshold.

    The threshold is chosen on the source: the share of source samples above it equals the source accuracy. Confidence
    is minus the entropy. Assumes that confidence relates to correctness in the same way in both domains. The estimate
    is too high after self-training, or any other training that increases confidence on the target.

    References:
        Garg, Balakrishnan, Lipton, Neyshabur & Sedghi (2022). Leveraging unlabeled data to predict out-of-distribution
        performance. ICLR.
    """
    source, target = (-entropy(p) for p in _probabilities(pool, index))
    right = 1 - errors_on_source(pool, index)

    def statistic(i: Tensor, j: Tensor, _: Tensor | None) -> float:
        ordered = source[i].sort().values
        wrong = round(float((1 - right[i]).sum()))
        if wrong == 0:
            return float((target[j] >= ordered[0]).double().mean())
        return float((target[j] > ordered[wrong - 1]).double().mean())

    return _bootstrap(statistic, *_samples(pool))


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

    _, p = _probabilities(pool, index)
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
    return _bootstrap(lambda i, j, k: 1 - float(each[j].mean()), ALONE, (len(each), groups))


def agreement_on_the_line(pool: Pool, index: int) -> Estimate:
    """ALine-S: the source accuracy, mapped to the target by a line through the agreements of all pairs of candidates.

    For many shifts (such as noise and light), target agreement is a linear function of source agreement, in probits,
    and accuracy follows the same line. This may fail if the methods adapt differently, or if the candidates are
    accurate on every source sample. `fit_of_line` measures how well the agreements fit a line. The interval assumes
    that the accuracy deviates from the line as much as the agreement of any pair.

    Raises:
        InputError: fewer than three candidates.

    References:
        Baek, Jiang, Raghunathan & Kolter (2022). Agreement-on-the-line: predicting the performance of neural networks
        under distribution shift. NeurIPS.
    """
    _enough(pool, ON_A_LINE, "agreement on the line", "fit a line to their agreements")
    source, target = map(pairs, _votes(pool))
    right = 1 - errors_on_source(pool, index)[None]

    count = len(source)
    wider = math.sqrt(count / (count - 2))  # the residuals of a line through few pairs are too small

    def statistic(i: Tensor, j: Tensor, k: Tensor | None) -> float:
        x, y = _probit(source, i), _probit(target, j)
        slope, start = _line(x, y)
        residual = 0.0 if k is None else wider * float((y - slope * x - start)[k[0]])
        return float(torch.special.ndtr(_probit(right, i)[0] * slope + start + residual))

    return _bootstrap(statistic, *_samples(pool), count)


def agreement_rates(pool: Pool, index: int) -> Estimate:
    """The source accuracy, plus the accuracy change from source to target that the agreements of all pairs imply.

    If the candidates err independently, the agreements of all pairs determine the accuracy of each candidate (see
    `accuracies_from_agreements`). They do not err independently, so these accuracies are too high. But they are too
    high by about the same amount on the source, where labels are known, and on the target. So the difference between
    the two accuracies, in logits, is added to the measured source accuracy.

    Two failures are known. Errors that candidates share on the target but not on the source are missed. With few
    candidates, one that differs from the others is estimated as the worst, even if it is right. The interval includes
    the deviation of agreements from the law and the uncertainty from the number of samples.

    Raises:
        InputError: fewer than three candidates.

    References:
        After Platanios, Blum & Mitchell (2014). Estimating accuracy from unlabeled data. UAI.
    """
    _enough(pool, RATED, "agreement rates", "determine three accuracies from three agreements")
    votes, classes = _votes(pool), pool.task.outputs
    right = (votes[0] == pool.labels).double()
    known = right.mean(1).logit(EDGE)
    source, target = map(pairs, votes)
    on_source, on_target = (accuracies_from_agreements(agreed.mean(1), known, classes) for agreed in (source, target))
    value = float(known[index] + on_target.logits[index] - on_source.logits[index])
    accuracy = float(known[index].sigmoid())
    per_sample = right[index] / (accuracy * (1 - accuracy)) - on_source.moved[index] @ source
    sampled = (
        standard_error(on_target.moved[index] @ target, pool.target_groups),
        standard_error(per_sample, pool.source_groups),
    )
    reach = 1.96 * math.hypot(float(on_target.off[index]), *sampled)
    return Estimate(*torch.tensor([value, value - reach, value + reach], dtype=torch.float64).sigmoid().tolist())


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

    return _bootstrap(statistic, _samples(pool)[0], ALONE)


def calibrated_disagreement(pool: Pool, index: int) -> Estimate:
    """The source error, scaled by the ratio of candidate disagreement, target to source.

    For values. The ratio of a pair is its mean distance on the target over its mean distance on the source. The
    geometric mean over all pairs is used. Assumes that the error of a candidate grows like its distance to the others.
    The interval is a prediction interval for one more such ratio, from Student's t. The estimate misses errors that
    all candidates share on the target only; then it is too low.

    Raises:
        InputError: the pool has only one candidate.

    References:
        After Jiang et al. (2022, disagreement of seeds, ICLR), Lakshminarayanan et al. (2017, NeurIPS) and, of pairs,
        Baek et al. (2022, NeurIPS).
    """
    from scipy import stats

    _enough(pool, APART, "calibrated disagreement", "compare their distances")
    errors = errors_on_source(pool, index)
    one, other = torch.combinations(torch.arange(len(pool.candidates)), 2).T.tolist()
    source, target = (
        torch.stack([apart(pool.task, predictions[a], predictions[b]) for a, b in zip(one, other, strict=True)])
        .nan_to_num(0)
        .double()
        for predictions in (pool.source, pool.target)
    )

    pairs, freedom = len(one), max(2, len(pool.candidates) - 2)  # pairs share candidates: not independent
    quantiles = stats.t.ppf((torch.arange(DRAWS) + 0.5) / DRAWS, freedom) * math.sqrt(1 + 1 / pairs)

    def statistic(i: Tensor, j: Tensor, k: Tensor | None) -> float:
        on_source, on_target = (part.mean(1).clamp(min=1e-9) for part in (source[:, i], target[:, j]))
        grown = (on_target / on_source).log()
        spread = float(grown.std()) if pairs > 1 else GROWN_APART
        deviation = 0.0 if k is None else float(quantiles[k[0]]) * spread
        return float(errors[i].mean()) * math.exp(float(grown.mean()) + deviation)

    return _bootstrap(statistic, *_samples(pool), DRAWS)


def disagreement_bound(pool: Pool, index: int, confidence: float = 0.95) -> float:
    """Dis²: a lower bound of the accuracy on the target, at this confidence level and under the assumption below.

    A critic is trained on half of the samples. It is a linear head on the candidate's features. It learns to agree with
    the candidate on the source and to disagree with it on the target. The other half of the samples measures how much
    more the critic disagrees on the target than on the source. The error is assumed to grow by this amount. The bound
    subtracts from 1 this growth, the source error, and a margin for the number of samples.

    Assumes that the true labels differ from the candidate's predictions no more than the best critic does. In other
    words, a linear head on the features can express the worst case. The assumption fails if the features contain no
    information about the label, or if they were trained to be alike in both domains.

    References:
        Rosenfeld & Garg (2023). (Almost) provable error bounds under distribution shift via disagreement discrepancy.
        NeurIPS.
    """
    one = pool.candidates[index]
    halves = [torch.arange(len(z)) % 2 == 0 for z in (one.source, one.target)]
    trained = [(z[h], y[h].argmax(1)) for z, y, h in zip(_both(one), (one.source, one.target), halves, strict=True)]
    tested = [(z[~h], y[~h].argmax(1)) for z, y, h in zip(_both(one), (one.source, one.target), halves, strict=True)]
    gaps = []
    for restart in range(RESTARTS):
        critic = _critic(*trained[0], *trained[1], pool.task.outputs, restart)
        apart_on = [[float((critic(z).argmax(1) != y).double().mean()) for z, y in part] for part in (trained, tested)]
        gaps.append((apart_on[0][1] - apart_on[0][0], apart_on[1][1] - apart_on[1][0]))
    gap = max(gaps)[1]  # test result of the critic that was best on its training half
    sources, targets = len(tested[0][0]), len(tested[1][0])
    margin = math.sqrt((sources + 4 * targets) * math.log(1 / (1 - confidence)) / (2 * sources * targets))
    risk = float(errors_on_source(pool, index).mean())
    return max(0.0, 1 - risk - gap - margin)


CLASSES: dict[str, Callable[[Pool, int], Estimate]] = {
    "atc": thresholded_confidence,
    "cot": transport,
    "agreement-on-the-line": agreement_on_the_line,
    "agreement-rates": agreement_rates,
    "importance-weighting": importance_weighting,
}
VALUES: dict[str, Callable[[Pool, int], Estimate]] = {
    "importance-weighting": importance_weighting,
    "calibrated-disagreement": calibrated_disagreement,
}
METHODS: dict[str, Callable[[Pool, int], Estimate]] = {**CLASSES, **VALUES}


def estimate(name: str, pool: Pool, index: int = 0) -> Estimate:
    """Estimated accuracy (or mean error) on the target of one candidate of a pool, by the estimate called `name`.

    Raises:
        InputError: no estimate has this name, or it does not support the pool's task.
    """
    name = present_name("estimate", name)
    known = CLASSES if isinstance(pool.task, Classification) else VALUES
    if name not in known:
        raise InputError(
            f"estimate '{name}' is unknown or does not support the task {pool.task.kind}, "
            f"expected one of: {', '.join(known)}"
        )
    return known[name](pool, index)


def fit_of_line(pool: Pool) -> float:
    """R² (0..1) of the line through the agreements of all pairs. Below 0.95, do not trust `agreement_on_the_line`."""
    both = torch.stack([_probit(agreed, torch.arange(agreed.shape[1])) for agreed in map(pairs, _votes(pool))])
    return float(torch.corrcoef(both)[0, 1].square().nan_to_num(0))


def errors_on_source(pool: Pool, index: int) -> Tensor:
    """Error of one candidate on each held-out source sample (N,) float64, in the units of `validators.apart`."""
    predictions = pool.task.predict(pool.candidates[index].source)
    return apart(pool.task, predictions, pool.labels).nan_to_num(0).double()


def _enough(pool: Pool, least: int, what: str, why: str) -> None:
    """Raise `InputError` if a pool has too few candidates."""
    if len(pool.candidates) < least:
        raise InputError(
            f"{what}: found {len(pool.candidates)} candidate(s), expected {least} or more to {why}. Train more, or "
            "choose another estimate"
        )


def _samples(pool: Pool) -> tuple[Samples, Samples]:
    """Held-out source samples and target samples of a pool."""
    return (len(pool.labels), pool.source_groups), (len(pool.candidates[0].target), pool.target_groups)


def _critic(
    source: Tensor, agreed: Tensor, target: Tensor, disputed: Tensor, classes: int, seed: int
) -> torch.nn.Module:
    """A linear head, trained to predict `agreed` (N,) on the source and any class but `disputed` (M,) on the target."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        critic = torch.nn.Linear(source.shape[1], classes)
    optimizer = torch.optim.Adam(critic.parameters(), lr=RATE)
    others = ~F.one_hot(disputed, classes).bool()
    for _ in range(STEPS):
        outputs = critic(target)
        against = outputs.masked_select(others).view(len(outputs), classes - 1).mean(1)
        own = outputs.gather(1, disputed[:, None])[:, 0]
        loss = F.cross_entropy(critic(source), agreed) / math.log(classes) + F.softplus(
            own - against
        ).mean() / math.log(2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return critic.requires_grad_(False)


def _both(one: Candidate) -> list[Tensor]:
    """Features of both domains, standardised with the mean and deviation of the source."""
    mean, std = one.source_features.mean(0), one.source_features.std(0).clamp(min=1e-4)
    return [((z - mean) / std).clamp(-10, 10) for z in (one.source_features, one.target_features)]


def _probabilities(pool: Pool, index: int) -> tuple[Tensor, Tensor]:
    one = pool.candidates[index]
    return one.source.softmax(1), one.target.softmax(1)


def _votes(pool: Pool) -> tuple[Tensor, Tensor]:
    """Predicted class of each candidate for each source (M, N) and each target sample (M, N'), int64."""
    source, target = (torch.stack([p.argmax(1) for p in domain]) for domain in (pool.source, pool.target))
    return source, target


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
