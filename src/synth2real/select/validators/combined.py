"""The score that a comparison chooses by: one number for each candidate and each target sample, without real labels.

The score of a candidate is the mean over the samples. So the difference of two candidates has a paired standard error,
which belongs to the whole of the score. Classes: three terms above chance (`class_scores`). Points and gaze: how well
the prediction follows known moves of the image (`equivariance_scores`). Masks: an expected intersection over union
(`masks.mask_scores`). Boxes: an expected AP50 (`boxes.box_scores`). Other values: no score is known, see
`sample_scores`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.groups import standard_error
from ...errors import InputError
from ...tasks import Classification, Detection, Task
from ...tasks.prediction_distance import apart
from .boxes import box_scores, boxes_learnt
from .candidate import Pool
from .confidence import mutual_information, temperature_scaled
from .masks import mask_scores, masks_learnt
from .moves import Moved, moves_label

LEARNT = 0.5  # a candidate has learnt the source if it reaches this share of the best candidate's score above chance


@dataclass(frozen=True)
class CandidateOutputs:
    """Outputs of a candidate that are known without real labels.

    Args:
        target: probabilities (N, C) or values (N, K) on target samples, the same samples for all candidates; of a dense
            task probabilities (N, C, h, w) or `Boxes`, see `dense.compact`.
        held_out: the same on source samples that were not trained on, (H, C), (H, K), (H, C, h, w) or `Boxes`.
        moved: predictions for the moved target samples; None if no move is known.
    """

    target: Any
    held_out: Any
    moved: Moved | None = None


def sample_scores(
    candidates: Sequence[CandidateOutputs],
    task: Task,
    labels: Any,
    *,
    balanced: bool = True,
    voted: bool = True,
) -> Tensor | None:
    """Score of each candidate on each target sample, (M, N) float64; higher is better.

    None for values that no move of the image changes in a known way: then agreement, confidence on the source and
    consistency all fail, and nothing decides between the candidates.

    Args:
        candidates: outputs of one or more candidates.
        task: of all candidates.
        labels: class indices (H,), values (H, K), masks (H, h, w) or boxes of the held-out source samples.
        balanced, voted: see `class_scores`.
    """
    if task.dense:
        targets, held_out = [one.target for one in candidates], [one.held_out for one in candidates]
        score: Any = box_scores if isinstance(task, Detection) else mask_scores
        scores: Tensor = score(targets, held_out, [one.moved for one in candidates], task, labels)
        return scores
    if isinstance(task, Classification):
        return class_scores(candidates, task, labels, balanced=balanced, voted=voted)
    if not moves_label(task) or any(one.moved is None for one in candidates):
        return None
    return equivariance_scores([one.moved for one in candidates if one.moved is not None], task)


def class_scores(
    candidates: Sequence[CandidateOutputs],
    task: Classification,
    labels: Tensor,
    *,
    balanced: bool = True,
    voted: bool = True,
) -> Tensor:
    """The mean of three terms for each sample, each 0 in the mean for a constant prediction, and at most about 1.

    With the one-hot prediction o of a sample, the one-hot prediction o' of the moved sample, the mean probabilities r
    of the other candidates that have learnt the source (`has_learnt`), the probabilities q at the source's temperature,
    means over all samples (bars) and V = 1 - sum of squared class shares of the source:

    - agreement above chance, (o - mean o) (r - mean r) / V;
    - consistency above chance, (o - mean o) (o' - mean o') / V;
    - mutual information of sample and class, KL(q || mean q) / ln C, scaled down so that its mean is at most the mean
      consistency.

    The scale is for candidates that are more confident on the target than their confidence on the source shows: a
    prediction that changes with a small move was not known.

    Agreement underrates a candidate that is right where the others are wrong. Consistency overrates candidates that
    were trained to be consistent. Mutual information overrates confident candidates. A term that is not known is left
    out.

    Args:
        candidates: with probabilities.
        task: of all candidates.
        labels: class indices of the held-out source samples.
        balanced: use mutual information, which is highest if the target's classes are equally frequent.
        voted: use agreement. Do not use it for texts: networks on words share errors and outvote closed forms.
    """
    calibrated = [temperature_scaled(one.target, one.held_out, labels) for one in candidates]
    classes = task.outputs
    shares = torch.bincount(labels, minlength=classes).double() / len(labels)
    variance = float(1 - shares.square().sum()) or 1.0
    answers = [centred(F.one_hot(one.target.argmax(1), classes).double()) for one in candidates]
    learnt = has_learnt([one.held_out for one in candidates], labels, task)
    scores = []
    for i, (one, q, answer) in enumerate(zip(candidates, calibrated, answers, strict=True)):
        others = [calibrated[k] for k in range(len(candidates)) if k != i and learnt[k]]
        agreement = (answer * centred(torch.stack(others).mean(0))).sum(1) / variance if voted and others else None
        scores.append(torch.stack(_terms(one.moved, q, answer, variance, agreement, balanced)).mean(0))
    return torch.stack(scores)


def _terms(
    moved: Moved | None, q: Tensor, answer: Tensor, variance: float, agreement: Tensor | None, balanced: bool
) -> list[Tensor]:
    """The terms of `class_scores` that are known, (N,) each."""
    terms = [] if agreement is None else [agreement]
    information = mutual_information(q)
    if moved is not None:
        again = F.one_hot(moved.predictions.argmax(1), q.shape[1]).double()
        consistency = (answer * centred(again)).sum(1) / variance
        terms.append(consistency)
        information = information * (consistency.mean() / information.mean().clamp(min=1e-12)).clamp(0, 1)
    return [*terms, information] if balanced or not terms else terms


def has_learnt(held_out: Sequence[Any], labels: Any, task: Task) -> list[bool]:
    """Whether each candidate has learnt the source.

    Its merit on the held-out source must be `LEARNT` of the best candidate's or more. The merit is the agreement of its
    predictions with the labels, above chance as in `class_scores`, which must also exceed zero by two standard errors;
    or, for values, 1 minus its mean error over that of a constant prediction. For masks see `masks.masks_learnt`, for
    boxes `boxes.boxes_learnt`.

    Args:
        held_out: predictions of each candidate, (H, C), (H, K), probabilities (H, C, h, w) or boxes.
        labels: class indices (H,), values (H, K), masks (H, h, w) or boxes.
        task: of all candidates.
    """
    if isinstance(task, Detection):
        return boxes_learnt(held_out, labels, task)
    if task.dense:
        return masks_learnt(held_out, labels, task)
    if isinstance(task, Classification):
        truth = centred(F.one_hot(labels, task.outputs).double())
        agreements = [(centred(F.one_hot(one.argmax(1), task.outputs).double()) * truth).sum(1) for one in held_out]
        merits = torch.stack([one.mean() for one in agreements])
        least = 2 * torch.stack([torch.tensor(standard_error(one, None)) for one in agreements])
    else:
        middle = labels.nanmedian(0, keepdim=True).values.expand_as(labels)
        constant = float(apart(task, middle, labels).nanmean())
        errors = torch.tensor([float(apart(task, one, labels).nanmean()) for one in held_out])
        merits = 1 - errors / max(constant, 1e-12)
        least = torch.zeros_like(merits)
    learnt: list[bool] = (merits > least.clamp(min=LEARNT * float(merits.max()))).tolist()
    return learnt


def equivariance_scores(candidates: Sequence[Moved], task: Task) -> Tensor:
    """The share of a known move of the image that each candidate follows, for each sample: (M, N) float64.

    A move T changes the prediction f(x) of an image to T f(x), at the distance d (the mean over the candidates). The
    prediction for the moved image is at a distance e from that. No distance counts more than the mean of d; with d and
    e cut at it, the score is (d - e) / mean d: in the mean 1 without errors and 0 for a prediction that does not follow
    moves, constant or not. Errors that all images share are not seen.

    The mean of distances compares candidates better on real eyes and pupils than the error that follows from squares
    (the regression of the change on the displacement): a few images with large errors dominate squares.

    Args:
        candidates: predicted values of each candidate for the same moves.
        task: of all candidates.
    """
    moved = torch.stack([apart(task, one.original, one.expected) for one in candidates]).double().nan_to_num(0).mean(0)
    missed = torch.stack([apart(task, one.predictions, one.expected) for one in candidates]).double().nan_to_num(0)
    most = moved.mean()
    moved, missed = moved.clamp(max=most), missed.clamp(max=most)
    return (moved - missed) / moved.mean().clamp(min=1e-9)


def centred(x: Tensor) -> Tensor:
    """Values (N, K) minus their mean over the samples."""
    return x - x.mean(0)


def combined(pool: Pool) -> list[float]:
    """The score that a comparison chooses by: three terms above chance (classes), or how well known moves are followed.

    For masks it is the mean of three expected IoUs, for boxes of three expected AP50. See `class_scores`,
    `equivariance_scores`, `masks.mask_scores` and `boxes.box_scores`. Assumes, for classes, masks and boxes, that if
    one of the terms fails, the other two do not; for points and gaze, that the error differs between an image and its
    moved copy. It does not support values that no move of the image changes in a known way.
    """
    candidates = [
        CandidateOutputs(target, held_out, one.moved)
        for target, held_out, one in zip(pool.target, pool.source, pool.candidates, strict=True)
    ]
    scores = sample_scores(candidates, pool.task, pool.labels)
    if scores is None:
        raise InputError("combined: found candidates without moved predictions, expected all to be observed with them")
    means: list[float] = scores.mean(1).tolist()
    return means
