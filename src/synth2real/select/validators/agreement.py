"""Validators from agreement: with the ensemble of candidates, between seeds, and between views of one image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...data.groups import Groups, half_width
from ...data.labels import Boxes
from ...errors import InputError
from ...tasks import Classification, Detection, Task
from ...tasks.prediction_distance import apart, most_probable
from .box_curves import ap_shares, curves
from .boxes import own_curves, pairs
from .candidate import Pool
from .masks import calibrated, expected_ious
from .source_risk import source_score

MOST = 0.4  # most weight of one candidate in an ensemble of three or more; with four, ranks give just this weight


def together(predictions: Sequence[Tensor], task: Task, weights: Tensor | None = None) -> Tensor:
    """Ensemble prediction: the mean of the candidates' probabilities (N, C) or (N, C, h, w), or the median of values.

    Args:
        predictions: probabilities, or values (N, K), one tensor for each candidate.
        task: of the predictions.
        weights: (M,) weights of the candidates, 0 or more; None for equal weights.
    """
    if task.dense:
        return mean_maps(predictions, weights)
    stacked = torch.stack(list(predictions))
    share = stacked.new_ones(len(stacked)) if weights is None else weights.to(stacked)
    share = share / share.sum()
    if isinstance(task, Classification):
        return torch.einsum("m,mnc->nc", share, stacked)
    values, order = stacked.sort(0)
    middle = (share[order].cumsum(0) < 0.5 - 1e-6).sum(0, keepdim=True)
    return values.gather(0, middle)[0]


def mean_maps(maps: Sequence[Tensor], weights: Tensor | None = None) -> Tensor:
    """The weighted mean of maps of probabilities, float32, computed one after another to save memory."""
    shares = [1 / len(maps)] * len(maps) if weights is None else (weights / weights.sum()).tolist()
    mean = torch.zeros_like(maps[0], dtype=torch.float32)
    for one, share in zip(maps, shares, strict=True):
        mean += share * one.float()
    return mean


def weights_of(merit: Sequence[float]) -> Tensor:
    """Weights (M,) float64 of the candidates, proportional to their ranks by a score (higher is better).

    Equal scores get equal weights. With three candidates, the weights are pulled towards the mean until the largest is
    `MOST`: a candidate with half of the weight would be the median, whatever the others predict. With two candidates
    the first is the median: two predictions alone cannot decide which is better.
    """
    from scipy.stats import rankdata

    ranks = torch.from_numpy(rankdata(merit)).double()
    shares = ranks / ranks.sum()
    even, first = 1 / len(shares), float(shares.max())
    if len(shares) > 2 and first > MOST:
        shares = even + (shares - even) * (MOST - even) / (first - even)
    return shares


def ensemble_agreement(predictions: Sequence[Any], task: Task, merit: Sequence[float] | None = None) -> list[float]:
    """EnsV: agreement of each candidate with the ensemble of all candidates, on the same target samples.

    Classification: the share of samples whose class equals the class of the mean probabilities. Masks: the mean IoU of
    the foreground with the masks of the mean probabilities. Values: minus the mean distance from the candidates'
    median, in the units of `apart`; one outlier does not change the median.

    Assumes that the candidates' errors differ. If most candidates share an error, they get the best scores. For classes
    the score counts whole samples, so two candidates may differ by a single sample. For boxes see `expected_agreement`.

    Args:
        predictions: for each candidate one tensor (N, C) or (N, C, h, w) of probabilities, or (N, K) of values.
        task: of the predictions.
        merit: a score of each candidate that sets its weight (`weights_of`); None for equal weights, as in the paper.

    References:
        Hu, Liang, Liew, Xue, Bai & Wang (2024). Towards reliable model selection for unsupervised domain adaptation:
        an empirical study and a certified baseline. NeurIPS.
    """
    if isinstance(task, Detection):
        return expected_agreement(predictions, task, merit)
    ensemble = together(predictions, task, None if merit is None else weights_of(merit))
    far = [float(apart(task, one, ensemble).double().nanmean()) for one in predictions]
    return [1 - distance for distance in far] if task.higher_is_better else [-distance for distance in far]


def expected_agreement(predictions: Sequence[Any], task: Task, merit: Sequence[float] | None = None) -> list[float]:
    """EnsV by probabilities: the mean probability that the ensemble assigns to the class predicted by each candidate.

    A disagreement lowers the score a little if the ensemble is uncertain, and by nearly a whole sample if it is
    confident. So a near tie depends on more than the single sample by which votes differ. If the ensemble's
    probabilities were calibrated, the score would be the candidate's accuracy. The assumption and the failures are
    those of `ensemble_agreement`. For masks it is the expected IoU of the foreground. For boxes it is the expected
    AP50: a box is right with the mean probability of the boxes of the other candidates that it is matched to. For
    values and boxes both functions are the same.

    Args:
        predictions, task, merit: as `ensemble_agreement`.
    """
    if isinstance(task, Detection):
        return [float(shares.mean().nan_to_num(0)) for shares in box_agreements(predictions, task, merit)]
    if task.dense:
        weighted = None if merit is None else weights_of(merit)
        ious = [expected_ious(most_probable(one), together(predictions, task, weighted)) for one in predictions]
        return [float(one.nanmean().nan_to_num(0)) for one in ious]
    if not isinstance(task, Classification):
        return ensemble_agreement(predictions, task, merit)
    ensemble = together(predictions, task, None if merit is None else weights_of(merit))
    return [float(ensemble.gather(1, one.argmax(1, keepdim=True)).double().mean()) for one in predictions]


def box_agreements(predictions: Sequence[Boxes], task: Detection, merit: Sequence[float] | None = None) -> list[Tensor]:
    """Agreement of the boxes of each candidate with those of the others, of each image: (N,) float64 each.

    Its mean is an expected AP50. A candidate alone agrees with itself.

    Args:
        predictions, task, merit: as `ensemble_agreement`; scores of the boxes are probabilities.
    """
    found, every = pairs(predictions, len(task.classes)), range(len(predictions))
    weights = None if merit is None else weights_of(merit)
    shares = []
    for i, own in enumerate(predictions):
        others = [k for k in every if k != i] or [i]
        shares.append(ap_shares(curves(own, *found.by(i, others, None if weights is None else weights[others]))))
    return shares


def near_ties(predictions: Sequence[Any], task: Task, groups: Groups = None, confidence: float = 0.95) -> list[bool]:
    """Which candidates agree with the ensemble as well as the best one, as far as the samples show.

    Each candidate is compared with the best one on the same samples. It is tied if the confidence interval of the mean
    difference contains 0. If several candidates are tied, the target samples do not decide between them.

    Args:
        predictions, task: as `ensemble_agreement`.
        groups: group of each sample (N,), such as its video; None if the samples are independent.
        confidence: of the interval, 0..1.
    """
    if isinstance(task, Detection):
        far = 1 - torch.stack(box_agreements(predictions, task)).nan_to_num(0)
    else:
        ensemble = together(predictions, task)
        far = torch.stack([apart(task, one, ensemble).double().nan_to_num(0) for one in predictions])
    short = far - far[far.mean(1).argmin()]
    return [float(one.mean()) <= half_width(one, groups, confidence) + 1e-12 for one in short]


def ensv(pool: Pool) -> list[float]:
    """EnsV: agreement with the ensemble on the target, by votes or by distance from the median.

    Assumes that the candidates' errors differ; see `ensemble_agreement`.
    """
    return ensemble_agreement(pool.target, pool.task)


def ensv_expected(pool: Pool) -> list[float]:
    """EnsV by probabilities: the mean probability that the ensemble assigns to this candidate's predictions.

    Assumes that the candidates' errors differ; see `expected_agreement`.
    """
    return expected_agreement(pool.target, pool.task)


def expected_iou(pool: Pool) -> list[float]:
    """Expected IoU of the foreground by the candidate's own probabilities, at the temperature of the held-out source.

    Assumes that the calibration on the source holds on the target. A model that was trained to be confident, such as a
    self-trained one, gets a high score, and so does one that never predicts a class.
    """
    every = zip(pool.target, pool.source, strict=True)
    found = (expected_ious(most_probable(p), calibrated(p, q, pool.labels)).nanmean() for p, q in every)
    return [float(one.nan_to_num(0)) for one in found]


def expected_ap50(pool: Pool) -> list[float]:
    """Expected AP50 of the boxes by their own confidences, calibrated on the held-out source.

    Objects that are never found are estimated by their share on the source. Assumes that the calibration on the source
    holds on the target. A detector that was trained to be confident, such as a self-trained one, gets a high score, and
    so does one that never predicts a class.
    """
    every = zip(pool.target, pool.source, strict=True)
    shares = [ap_shares(own_curves(own, held, pool.labels, pool.classes)) for own, held in every]
    return [float(one.mean().nan_to_num(0)) for one in shares]


def ensv_weighted(pool: Pool) -> list[float]:
    """EnsV by probabilities, with the weight of a candidate set by its score on the source.

    Without the weights, many candidates that have learnt little would dominate the ensemble (such as early checkpoints,
    or models spoilt by adversarial training). Assumes that the candidates' errors differ, and that a candidate with a
    low source score is inaccurate on the target. If all have about the same source score, the weights (in proportion
    1 to M) are random.
    """
    return expected_agreement(pool.target, pool.task, source_score(pool))


def seeds(pool: Pool) -> list[float]:
    """Mean agreement on the target with the candidates of the same name and other seeds.

    Assumes that predictions which differ between seeds are wrong and predictions shared by all seeds are right. (If the
    ensemble is calibrated, the disagreement of two seeds equals their error.) A route that makes the same errors with
    every seed gets a high score.

    Raises:
        InputError: a name has only one seed.

    References:
        Jiang, Nagarajan, Baek & Kolter (2022). Assessing generalization of SGD via disagreement. ICLR.
    """
    scores = []
    predictions = pool.target
    for one, own in zip(pool.candidates, predictions, strict=True):
        others = [
            theirs
            for other, theirs in zip(pool.candidates, predictions, strict=True)
            if other.name == one.name and other.seed != one.seed
        ]
        if not others:
            raise InputError(
                f"agreement of seeds: found one seed of '{one.name}' ({one.seed}), expected two or more for every "
                "candidate. Train it with more seeds, or choose another validator"
            )
        scores.append(-sum(float(apart(pool.task, own, theirs).nanmean()) for theirs in others) / len(others))
    return scores


def augmentation_consistency(pool: Pool) -> list[float]:
    """Minus the distance between the prediction for a transformed image and the expected prediction.

    The expected prediction is the one for the original image, changed as the label changes under the transform. The
    transform is a shift for classes and values. It is any small warp for points and gaze. The unit is the distance
    between the predictions for different images, so a constant prediction does not count as consistent. Assumes that
    consistent predictions are right. A model that was trained with such warps is consistent, even if it is wrong.

    References:
        Laine & Aila (2017). Temporal ensembling for semi-supervised learning. ICLR.
    """
    return [-one.moved.inconsistency(pool.task) if one.moved else math.nan for one in pool.candidates]
