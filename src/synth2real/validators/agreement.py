"""Agreement: with all candidates together, with other seeds, and of a candidate with itself on moved images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError
from ..tasks import Classification, Task
from .candidate import Pool, apart


def together(predictions: Sequence[Tensor], task: Task) -> Tensor:
    """What the candidates say as one: the mean of their probabilities (N, C), or the median of their values (N, K)."""
    stacked = torch.stack(list(predictions))
    return stacked.mean(0) if isinstance(task, Classification) else stacked.median(0).values


def ensemble_agreement(predictions: Sequence[Tensor], task: Task) -> list[float]:
    """EnsV: how far each candidate agrees with all of them together, on the same target samples.

    Classification: the share of samples whose class is that of the mean of all candidates' probabilities. Values: minus
    the mean distance from the candidates' median, so that one route that is far off moves nothing; in the units of
    `apart`.

    Assumes that the candidates' errors differ; where most of them err alike it favours those. Votes are counted in
    whole samples: two candidates may differ by one.

    Args:
        predictions: one tensor (N, C) of probabilities or (N, K) of values a candidate.
        task: whose predictions they are.

    References:
        Hu, Liang, Liew, Xue, Bai & Wang (2024). Towards reliable model selection for unsupervised domain adaptation:
        an empirical study and a certified baseline. NeurIPS.
    """
    role = together(predictions, task)
    far = [float(apart(task, one, role).double().nanmean()) for one in predictions]
    return [1 - distance for distance in far] if isinstance(task, Classification) else [-distance for distance in far]


def expected_accuracy(predictions: Sequence[Tensor], task: Task) -> list[float]:
    """EnsV by probabilities: the mean probability that all candidates together give to each one's class.

    A dissent costs what the others are sure of: little where they doubt, nearly a whole sample where they do not. So
    near ties hang on more than the one sample by which votes differ. Were the mean probabilities calibrated, it would
    be the candidate's accuracy. Assumes and fails as `ensemble_agreement`; candidates that are all sure of the same
    error weigh more.

    Args:
        predictions: one tensor (N, C) of probabilities a candidate.
        task: a classification.

    References:
        As `ensemble_agreement`, whose votes it replaces.
    """
    assert isinstance(task, Classification)
    role = together(predictions, task)
    return [float(role.gather(1, one.argmax(1, keepdim=True)).double().mean()) for one in predictions]


def ensv(pool: Pool) -> list[float]:
    """EnsV: agreement with all candidates together on the target, by votes or by distance from the median.

    Assumes that the candidates' errors differ; see `ensemble_agreement`.
    """
    return ensemble_agreement(pool.target, pool.task)


def ensv_expected(pool: Pool) -> list[float]:
    """EnsV by probabilities: how likely all candidates together find what this one says of the target.

    Assumes that the candidates' errors differ; see `expected_accuracy`.
    """
    return expected_accuracy(pool.target, pool.task)


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


def steadiness(pool: Pool) -> list[float]:
    """Consistency: minus how far what is said of a moved image is from what should be said of it.

    The move is a shift for classes and numbers, and any small warp for points and gaze, whose labels move with it. The
    unit is the distance between different images' predictions, so that a constant answer does not pass for steady.
    Assumes that what holds still is right: a model that was trained under such warps is steady without being so.

    References:
        Laine & Aila (2017). Temporal ensembling for semi-supervised learning. ICLR.
    """
    return [-one.wander for one in pool.candidates]
