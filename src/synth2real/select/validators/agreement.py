"""Agreement: with all candidates together, with other seeds, and of a candidate with itself on moved images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...errors import InputError
from ...tasks import Classification, Task
from .candidate import Pool, apart
from .source import source_score

MOST = 0.4  # share of one candidate of three or more in what all say together; of four, ranks give it that


def together(predictions: Sequence[Tensor], task: Task, weights: Tensor | None = None) -> Tensor:
    """What the candidates say as one: the mean of their probabilities (N, C), or the median of their values (N, K).

    Args:
        predictions: one tensor a candidate.
        task: whose predictions they are.
        weights: (M,) of the candidates, 0 and more; None for all alike.
    """
    stacked = torch.stack(list(predictions))
    share = stacked.new_ones(len(stacked)) if weights is None else weights.to(stacked)
    share = share / share.sum()
    if isinstance(task, Classification):
        return torch.einsum("m,mnc->nc", share, stacked)
    values, order = stacked.sort(0)
    middle = (share[order].cumsum(0) < 0.5 - 1e-6).sum(0, keepdim=True)
    return values.gather(0, middle)[0]


def weights_of(merit: Sequence[float]) -> Tensor:
    """Shares (M,) float64 of candidates in proportion to their ranks by a score of which more is better.

    Equal scores weigh alike. Of three, shares are drawn together until the first holds `MOST`: at a half it would be
    the median by itself, whatever the others say. Of two, it is: what they say cannot decide between them.
    """
    from scipy.stats import rankdata

    ranks = torch.from_numpy(rankdata(merit)).double()
    shares = ranks / ranks.sum()
    even, first = 1 / len(shares), float(shares.max())
    if len(shares) > 2 and first > MOST:
        shares = even + (shares - even) * (MOST - even) / (first - even)
    return shares


def ensemble_agreement(predictions: Sequence[Tensor], task: Task, merit: Sequence[float] | None = None) -> list[float]:
    """EnsV: how far each candidate agrees with all of them together, on the same target samples.

    Classification: the share of samples whose class is that of the mean of all candidates' probabilities. Values: minus
    the mean distance from the candidates' median, so that one route that is far off moves nothing; in the units of
    `apart`.

    Assumes that the candidates' errors differ; where most of them err alike it favours those. Votes are counted in
    whole samples: two candidates may differ by one.

    Args:
        predictions: one tensor (N, C) of probabilities or (N, K) of values a candidate.
        task: whose predictions they are.
        merit: a score of each candidate by which it weighs (`weights_of`); None as in the paper, where all weigh alike.

    References:
        Hu, Liang, Liew, Xue, Bai & Wang (2024). Towards reliable model selection for unsupervised domain adaptation:
        an empirical study and a certified baseline. NeurIPS.
    """
    role = together(predictions, task, None if merit is None else weights_of(merit))
    far = [float(apart(task, one, role).double().nanmean()) for one in predictions]
    return [1 - distance for distance in far] if isinstance(task, Classification) else [-distance for distance in far]


def expected_agreement(predictions: Sequence[Tensor], task: Task, merit: Sequence[float] | None = None) -> list[float]:
    """EnsV by probabilities: the mean probability that all candidates together give to each one's class.

    A dissent costs what the others are sure of: little where they doubt, nearly a whole sample where they do not. So
    near ties hang on more than the one sample by which votes differ. Were the mean probabilities calibrated, it would
    be the candidate's accuracy. Assumes and fails as `ensemble_agreement`, which it is for values.

    Args:
        predictions, task, merit: as `ensemble_agreement`.
    """
    if not isinstance(task, Classification):
        return ensemble_agreement(predictions, task, merit)
    role = together(predictions, task, None if merit is None else weights_of(merit))
    return [float(role.gather(1, one.argmax(1, keepdim=True)).double().mean()) for one in predictions]


def near_ties(predictions: Sequence[Tensor], task: Task, errors: float = 2.0) -> list[bool]:
    """Which candidates agree as well as the one that agrees best, up to what the number of samples leaves open.

    Each is held against the best on the same samples: it is tied where the mean of their differences is within
    `errors` standard errors of it. Where more than one is tied, the target's samples do not decide between them.

    Args:
        predictions, task: as `ensemble_agreement`.
        errors: standard errors, 0 and more.
    """
    role = together(predictions, task)
    far = torch.stack([apart(task, one, role).double().nan_to_num(0) for one in predictions])
    short = far - far[far.mean(1).argmin()]
    spread = short.std(1, correction=0) / math.sqrt(short.shape[1])
    return [bool(tied) for tied in short.mean(1) <= errors * spread + 1e-12]


def ensv(pool: Pool) -> list[float]:
    """EnsV: agreement with all candidates together on the target, by votes or by distance from the median.

    Assumes that the candidates' errors differ; see `ensemble_agreement`.
    """
    return ensemble_agreement(pool.target, pool.task)


def ensv_expected(pool: Pool) -> list[float]:
    """EnsV by probabilities: how likely all candidates together find what this one says of the target.

    Assumes that the candidates' errors differ; see `expected_agreement`.
    """
    return expected_agreement(pool.target, pool.task)


def ensv_weighted(pool: Pool) -> list[float]:
    """EnsV by probabilities, in which a candidate weighs by how well it has learnt the source.

    Candidates that have learnt little (an early checkpoint, an adversary that has won) would else carry the rest along
    where they are many. Assumes that the candidates' errors differ, and that who has not learnt the source knows
    little of the target; where all have learnt it alike, the weights are chance, between 1 and M.
    """
    return expected_agreement(pool.target, pool.task, source_score(pool))


def seeds(pool: Pool) -> list[float]:
    """Mean agreement with the candidates of the same name and another seed, on the target.

    Assumes that what a training does by chance is wrong, and what all seeds do is right (disagreement of two seeds
    equals their error where the ensemble is calibrated). A route that errs alike with every seed passes for good.

    Raises:
        InputError: a name stands for one seed only.

    References:
        Jiang, Nagarajan, Baek & Kolter (2022). Assessing generalization of SGD via disagreement. ICLR.
    """
    scores = []
    said = pool.target
    for one, mine in zip(pool.candidates, said, strict=True):
        others = [
            theirs
            for other, theirs in zip(pool.candidates, said, strict=True)
            if other.name == one.name and other.seed != one.seed
        ]
        if not others:
            raise InputError(
                f"agreement of seeds: found one seed of '{one.name}' ({one.seed}), expected two or more of every "
                "candidate. Train it with more seeds, or choose another validator"
            )
        scores.append(-sum(float(apart(pool.task, mine, theirs).nanmean()) for theirs in others) / len(others))
    return scores


def augmentation_consistency(pool: Pool) -> list[float]:
    """Consistency: minus how far what is said of a moved image is from what should be said of it.

    The move is a shift for classes and numbers, and any small warp for points and gaze, whose labels move with it. The
    unit is the distance between different images' predictions, so that a constant answer does not pass for steady.
    Assumes that what holds still is right: a model that was trained under such warps is steady without being so.

    References:
        Laine & Aila (2017). Temporal ensembling for semi-supervised learning. ICLR.
    """
    return [-one.inconsistency for one in pool.candidates]
