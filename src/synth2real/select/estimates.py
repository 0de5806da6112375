"""Estimates: how well does a trained model do on the unlabelled target? With an interval, and no real label.

Accuracy for classes (higher is better), mean error for values (lower is better, in the units of `validators.apart`).
An interval is over samples, of whole groups where the pool has groups: it says how far the estimate hangs on the
samples, and nothing of how far its assumption holds. Those that rest on other candidates draw these, too, or how
far they lie from what is assumed of them. Only `disagreement_bound` accounts for the gap itself, under the assumption
that it names.
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
from .agreements import accuracies_from_agreements, pairs
from .validators import Candidate, Pool, apart

DRAWS = 200  # of a bootstrap
STEPS, RATE, RESTARTS = 200, 0.05, 3  # of the critic's training
RATED, ON_A_LINE, APART = 3, 3, 2  # least candidates of agreement rates and line, and of calibrated disagreement
EDGE = 0.01  # accuracies on the source count as this far from 0 and 1 at least, where logits are taken
GROWN_APART = 0.5  # deviation of logarithmic ratios taken for a single pair; 0.1 to 0.7 on six benchmarks
TRANSPORTED = 500  # most samples that a transport is solved on


@dataclass(frozen=True)
class Estimate:
    """An estimated accuracy or mean error, and its 95 % interval."""

    value: float
    low: float
    high: float


Statistic = Callable[[Tensor, Tensor, Tensor | None], float]
Samples = tuple[int, Tensor | None]  # how many, and the group of each
ALONE: Samples = (1, None)


def _bootstrap(statistic: Statistic, sources: Samples, targets: Samples, peers: int = 1) -> Estimate:
    """A statistic of source, target and peer indices, with its percentiles over resamples; all peers are None."""
    generator = torch.Generator().manual_seed(0)

    def drawn() -> float:
        index = [redrawn(count, groups, generator) for count, groups in (sources, targets, (peers, None))]
        return statistic(index[0], index[1], index[2])

    value = statistic(torch.arange(sources[0]), torch.arange(targets[0]), None)
    spread = torch.tensor([drawn() for _ in range(DRAWS)], dtype=torch.float64)
    low, high = spread.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Estimate(value, min(low, value), max(high, value))


def thresholded_confidence(pool: Pool, index: int) -> Estimate:
    """ATC: the share of target samples more confident than a threshold, above which on the source lie as many as right.

    Confidence is minus the entropy. Assumes that confidence errs alike in both domains; self-training and anything
    else that makes a model sure of the target makes it too high.

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
    """COT: 1 less the cost of moving the target's predictions to the source's class shares, as one-hot vectors.

    The cost of a pair is 1 less the predicted probability of that class. Assumes that the target has the source's (or
    the pool's `prior`) class shares; a confident model of the right shares passes, right or wrong. Solved on at most
    500 samples, exactly.

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
    # One transport is solved; the interval is over the samples' shares of its cost.
    return _bootstrap(lambda i, j, k: 1 - float(each[j].mean()), ALONE, (len(each), groups))


def agreement_on_the_line(pool: Pool, index: int) -> Estimate:
    """ALine-S: the source accuracy, carried over by the line on which the agreements of all pairs of candidates lie.

    Agreement and accuracy of a pool lie on one line from source to target, in probits, for many shifts (such as of
    noise and light); where methods adapt differently, or the source is learnt to the last sample, they need not, and
    `fit_of_line` says how far the agreements do. In the interval the accuracy lies as far from the line as any pair's
    agreement may.

    Raises:
        InputError: fewer than three candidates.

    References:
        Baek, Jiang, Raghunathan & Kolter (2022). Agreement-on-the-line: predicting the performance of neural networks
        under distribution shift. NeurIPS.
    """
    _enough(pool, ON_A_LINE, "agreement on the line", "lay a line through their agreements")
    source, target = map(pairs, _votes(pool))
    right = 1 - errors_on_source(pool, index)[None]

    count = len(source)
    wider = math.sqrt(count / (count - 2))  # a line through few pairs passes too near to them

    def statistic(i: Tensor, j: Tensor, k: Tensor | None) -> float:
        x, y = _probit(source, i), _probit(target, j)
        slope, start = _line(x, y)
        beside = 0.0 if k is None else wider * float((y - slope * x - start)[k[0]])
        return float(torch.special.ndtr(_probit(right, i)[0] * slope + start + beside))

    return _bootstrap(statistic, *_samples(pool), count)


def agreement_rates(pool: Pool, index: int) -> Estimate:
    """The source accuracy, moved as far as the rate of agreement of all candidates says that accuracies move.

    From how often pairs of candidates agree follows how often each is right, if they err independently (see
    `agreements.rates`). They do not, so that rate is too high; but by about as much on the source, where the truth is
    known, as on the target. The difference of the two rates, in logits, is added to the accuracy on the source.

    Errors that candidates share on the target and not on the source are missed; and of few candidates the one that
    differs from the others counts as the worst, as it may not be. The interval holds how far agreements lie from the
    law, and what the number of samples leaves open.

    Raises:
        InputError: fewer than three candidates.

    References:
        After Platanios, Blum & Mitchell (2014). Estimating accuracy from unlabeled data. UAI.
    """
    _enough(pool, RATED, "agreement rates", "tell three accuracies by three agreements")
    votes, classes = _votes(pool), pool.task.outputs
    right = (votes[0] == pool.labels).double()
    known = right.mean(1).logit(EDGE)
    source, target = map(pairs, votes)
    home, here = (accuracies_from_agreements(agreed.mean(1), known, classes) for agreed in (source, target))
    value = float(known[index] + here.logits[index] - home.logits[index])
    likely = float(known[index].sigmoid())
    sampled = (
        standard_error(here.moved[index] @ target, pool.target_groups),
        standard_error(right[index] / (likely * (1 - likely)) - home.moved[index] @ source, pool.source_groups),
    )
    reach = 1.96 * math.hypot(float(here.off[index]), *sampled)
    return Estimate(*torch.tensor([value, value - reach, value + reach], dtype=torch.float64).sigmoid().tolist())


def importance_weighting(pool: Pool, index: int) -> Estimate:
    """The source's accuracy, or mean error, weighed to the target by the candidate's own features (self-normalised).

    Assumes and fails as `validators.source.iwv`: where the domains are far apart the interval is narrow and beside it.

    References:
        Sugiyama, Krauledat & Müller (2007). JMLR 8.
    """
    errors, weights = errors_on_source(pool, index), pool.candidates[index].importance.double()

    def statistic(i: Tensor, j: Tensor, k: Tensor | None) -> float:
        risk = float((weights[i] * errors[i]).sum() / weights[i].sum())
        return 1 - risk if isinstance(pool.task, Classification) else risk

    return _bootstrap(statistic, _samples(pool)[0], ALONE)


def calibrated_disagreement(pool: Pool, index: int) -> Estimate:
    """The source error, times how much farther apart candidates are on the target than on the source.

    For values. Of all pairs of candidates the ratio of their mean distances is taken, and its geometric mean. Assumes
    that the truth moves away from a candidate as the others do; the interval is that of one more such ratio, by
    Student's t. Errors that all candidates come to share on the target are not in it; there the estimate is too low.

    Raises:
        InputError: the pool holds no other candidate.

    References:
        After Jiang et al. (2022, disagreement of seeds, ICLR), Lakshminarayanan et al. (2017, NeurIPS) and, of pairs,
        Baek et al. (2022, NeurIPS).
    """
    from scipy import stats

    _enough(pool, APART, "calibrated disagreement", "tell how far their distances differ")
    errors = errors_on_source(pool, index)
    one, other = torch.combinations(torch.arange(len(pool.candidates)), 2).T.tolist()
    source, target = (
        torch.stack([apart(pool.task, said[a], said[b]) for a, b in zip(one, other, strict=True)])
        .nan_to_num(0)
        .double()
        for said in (pool.source, pool.target)
    )

    pairs, freedom = len(one), max(2, len(pool.candidates) - 2)  # pairs of few candidates are not as many samples
    quantiles = stats.t.ppf((torch.arange(DRAWS) + 0.5) / DRAWS, freedom) * math.sqrt(1 + 1 / pairs)

    def statistic(i: Tensor, j: Tensor, k: Tensor | None) -> float:
        home, here = (part.mean(1).clamp(min=1e-9) for part in (source[:, i], target[:, j]))
        grown = (here / home).log()
        spread = float(grown.std()) if pairs > 1 else GROWN_APART
        beside = 0.0 if k is None else float(quantiles[k[0]]) * spread
        return float(errors[i].mean()) * math.exp(float(grown.mean()) + beside)

    return _bootstrap(statistic, *_samples(pool), DRAWS)


def disagreement_bound(pool: Pool, index: int, confidence: float = 0.95) -> float:
    """Dis²: an accuracy on the target that is not fallen below, with this confidence and under its assumption.

    A critic, a linear head on the candidate's features, is trained on half of the samples to agree with the candidate
    on the source and to disagree on the target. How much more it disagrees on the target, in the other half, is as
    much as the error is taken to grow; the source's error and a margin for the number of samples are added.

    Assumes that no true labelling differs from the candidate more than the best critic does: that the error is not
    worse than a linear head on its features could make it look. Features that hold nothing of the label, or that were
    trained to be alike, break it.

    References:
        Rosenfeld & Garg (2023). (Almost) provable error bounds under distribution shift via disagreement discrepancy.
        NeurIPS.
    """
    one = pool.candidates[index]
    halves = [torch.arange(len(z)) % 2 == 0 for z in (one.source, one.target)]
    trained = [(z[h], y[h].argmax(1)) for z, y, h in zip(_both(one), (one.source, one.target), halves, strict=True)]
    held = [(z[~h], y[~h].argmax(1)) for z, y, h in zip(_both(one), (one.source, one.target), halves, strict=True)]
    gaps = []
    for restart in range(RESTARTS):
        critic = _critic(*trained[0], *trained[1], pool.task.outputs, restart)
        apart_on = [[float((critic(z).argmax(1) != y).double().mean()) for z, y in part] for part in (trained, held)]
        gaps.append((apart_on[0][1] - apart_on[0][0], apart_on[1][1] - apart_on[1][0]))
    gap = max(gaps)[1]  # of the critic that was best where it learnt
    sources, targets = len(held[0][0]), len(held[1][0])
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
    """The accuracy (or mean error) on the target of one of a pool's candidates, by the estimate called `name`.

    Raises:
        InputError: there is none so named, or it does not serve the pool's task.
    """
    name = present_name("estimate", name)
    known = CLASSES if isinstance(pool.task, Classification) else VALUES
    if name not in known:
        raise InputError(
            f"estimate '{name}' is unknown or does not serve the task {pool.task.kind}, "
            f"expected one of: {', '.join(known)}"
        )
    return known[name](pool, index)


def fit_of_line(pool: Pool) -> float:
    """How far the agreements of all pairs lie on one line, R² in 0..1; below 0.95 the line is not to be trusted."""
    both = torch.stack([_probit(agreed, torch.arange(agreed.shape[1])) for agreed in map(pairs, _votes(pool))])
    return float(torch.corrcoef(both)[0, 1].square().nan_to_num(0))


def errors_on_source(pool: Pool, index: int) -> Tensor:
    """What one of the candidates errs by on each held source sample (N,) float64, as `validators.apart` measures it."""
    said = pool.task.predict(pool.candidates[index].source)
    return apart(pool.task, said, pool.labels).nan_to_num(0).double()


def _enough(pool: Pool, least: int, what: str, why: str) -> None:
    """Refuses a pool whose pairs are too few."""
    if len(pool.candidates) < least:
        raise InputError(
            f"{what}: found {len(pool.candidates)} candidate(s), expected {least} or more to {why}. Train more, or "
            "take another estimate"
        )


def _samples(pool: Pool) -> tuple[Samples, Samples]:
    """Held source and target samples of a pool."""
    return (len(pool.labels), pool.source_groups), (len(pool.candidates[0].target), pool.target_groups)


def _critic(
    source: Tensor, agreed: Tensor, target: Tensor, disputed: Tensor, classes: int, seed: int
) -> torch.nn.Module:
    """A linear head that says `agreed` (N,) on the source and anything but `disputed` (M,) on the target."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        critic = torch.nn.Linear(source.shape[1], classes)
    optimizer = torch.optim.Adam(critic.parameters(), lr=RATE)
    others = ~F.one_hot(disputed, classes).bool()
    for _ in range(STEPS):
        said = critic(target)
        against = said.masked_select(others).view(len(said), classes - 1).mean(1)
        own = said.gather(1, disputed[:, None])[:, 0]
        loss = F.cross_entropy(critic(source), agreed) / math.log(classes) + F.softplus(
            own - against
        ).mean() / math.log(2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return critic.requires_grad_(False)


def _both(one: Candidate) -> list[Tensor]:
    """Features of both domains, standardised by the source's."""
    mean, std = one.source_features.mean(0), one.source_features.std(0).clamp(min=1e-4)
    return [((z - mean) / std).clamp(-10, 10) for z in (one.source_features, one.target_features)]


def _probabilities(pool: Pool, index: int) -> tuple[Tensor, Tensor]:
    one = pool.candidates[index]
    return one.source.softmax(1), one.target.softmax(1)


def _votes(pool: Pool) -> tuple[Tensor, Tensor]:
    """The class that each candidate says of each source (M, N) and each target sample (M, N'), int64."""
    source, target = (torch.stack([said.argmax(1) for said in domain]) for domain in (pool.source, pool.target))
    return source, target


def _probit(right: Tensor, index: Tensor) -> Tensor:
    """Probit of each row's mean over the samples at `index`; shares of 0 and 1 are moved in by half a sample."""
    count = right.shape[1]
    times = torch.bincount(index, minlength=count).double()
    half = 0.5 / count
    share: Tensor = right @ times / len(index)
    probit: Tensor = torch.special.ndtri(share.clamp(half, 1 - half))
    return probit


def _line(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Slope and intercept of the least squares line; a slope of 1 where all x are one."""
    centred = x - x.mean()
    spread = float(centred.square().sum())
    slope = float((centred * y).sum()) / spread if spread > 1e-9 else 1.0
    return slope, float(y.mean() - slope * x.mean())
