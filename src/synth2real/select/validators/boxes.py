"""Label-free scores of boxes, each an expected AP50: the average precision at an IoU of 0.5, the mean over the classes.

All functions take the boxes that a model predicts (`Boxes` with scores, in pixels of its input). A class that is in no
image says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ...data.groups import standard_error
from ...data.labels import Boxes, areas
from ...tasks import Detection
from ...tasks.boxes import matches
from ...tasks.prediction_distance import apart
from .box_curves import Curve, against_labels, ap_shares, averages, calibrated, counts, curves
from .moves import Moved

LEARNT = 0.5  # a candidate has learnt the source if its AP50, above chance, is this share of the best candidate's
CERTAIN = 0.5  # probability from which a box is taken for an object
CLEAR = 0.5  # share of the typical score from which a box counts where no label says what scores mean
VANISHED = 0.05  # of their share on the source, below which objects or classes have vanished from the target
FLOOD = 10.0  # times their number on the source, above which there are objects everywhere
RESIZED = 5.0  # factor of the typical side of a box, from source to target, above which it is no real object
SAME = 0.97  # mean agreement of the boxes of different images above which they are the same boxes


class Pairs(NamedTuple):
    """How likely the boxes of each of M candidates are right, by each candidate.

    Args:
        right: `right[i][k]` (D_i,) float64: the score of the box of candidate k that each box of i is matched to, or 0.
        objects: (M, N, C) float64, expected number of objects of each class in each image by each candidate.
    """

    right: list[list[Tensor]]
    objects: Tensor

    def by(self, index: int, others: Sequence[int], weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """How likely the boxes of a candidate are right by the mean over some candidates, (D,), and objects (N, C).

        Args:
            weights: (K,) of these; None for equal ones.
        """
        shares = torch.ones(len(others), dtype=torch.float64) if weights is None else weights.double()
        shares = shares / shares.sum()
        right = torch.einsum("k,kd->d", shares, torch.stack([self.right[index][k] for k in others]))
        return right, torch.einsum("k,knc->nc", shares, self.objects[list(others)])


def pairs(boxes: Sequence[Boxes], classes: int) -> Pairs:
    """How likely the boxes of each candidate are right by each candidate; their scores are probabilities."""
    right = [[_by(mine, theirs) for theirs in boxes] for mine in boxes]
    return Pairs(right, torch.stack([counts(one, classes) for one in boxes]))


def _by(mine: Boxes, theirs: Boxes) -> Tensor:
    at = matches(mine, theirs)
    if not len(theirs.scores):
        return torch.zeros(len(at), dtype=torch.float64)
    return theirs.scores.double()[at].where(at >= 0, 0.0)


def box_scores(
    targets: Sequence[Boxes],
    held_out: Sequence[Boxes],
    moved: Sequence[Moved | None],
    task: Detection,
    labels: Boxes,
) -> Tensor:
    """The mean of three terms for each image, (M, N) float64. The mean of a term over the images is an expected AP50.

    - agreement: a box is right with the mean probability of the boxes that it is matched to, of the other candidates
      that have learnt the source (`boxes_learnt`);
    - consistency: of the boxes of the moved image with the moved boxes (`consistency_curves`);
    - confidence: a box is right with its own probability (`own_curves`). It is scaled down to at most the consistency.

    All probabilities are calibrated on the held-out source. A class that the others see and a candidate does not counts
    0 in all terms: what is never predicted is consistent, too. If nobody finds anything, all images score 0.

    Args:
        targets, held_out: boxes of each candidate.
        moved: boxes before and after moves; None without.
        task: of all candidates.
        labels: of the held-out source.
    """
    classes = len(task.classes)
    known = [calibrated(p, q, labels, classes) for p, q in zip(targets, held_out, strict=True)]
    learnt, found = boxes_learnt(held_out, labels, task), pairs(known, classes)
    scores = []
    for i, (own, held, move) in enumerate(zip(known, held_out, moved, strict=True)):
        confidence = own_curves(own, held, labels, classes)
        consistency = None if move is None else consistency_curves(move, held, labels, classes)
        others = [k for k, of in enumerate(learnt) if of and k != i]
        agreement = curves(own, *found.by(i, others)) if others else None
        scores.append(_score(confidence, consistency, agreement))
    return torch.stack(scores)


def _score(confidence: list[Curve], consistency: list[Curve] | None, agreement: list[Curve] | None) -> Tensor:
    """The mean of the terms that are known, (N,) float64, see `box_scores`."""
    seen = averages(agreement or confidence).isfinite()
    if not bool(seen.any()):
        return torch.zeros(len(confidence[0].objects), dtype=torch.float64)
    terms = [ap_shares(confidence, seen)]
    if consistency is not None:
        terms.append(ap_shares(consistency, seen))
        terms[0] *= min(1.0, float(terms[1].mean()) / max(float(terms[0].mean()), 1e-12))
    return torch.stack([*terms, *([] if agreement is None else [ap_shares(agreement, seen)])]).mean(0)


def own_curves(own: Boxes, held_out: Boxes, labels: Boxes, classes: int) -> list[Curve]:
    """Curves of calibrated boxes by their own probabilities.

    They do not show the objects that are never found. Their share is taken from the held-out source.
    """
    on_source = against_labels(held_out, labels, classes)
    found = torch.stack([curve.right.sum() for curve in on_source])
    recall = found / torch.stack([curve.objects.sum() for curve in on_source]).clamp(min=1)
    objects = counts(own, classes) / recall.where(recall > 0, 1.0)
    return curves(own, own.scores.double(), objects)


def consistency_curves(moved: Moved, held_out: Boxes, labels: Boxes, classes: int) -> list[Curve]:
    """Curves of the boxes of moved images by the moved boxes of a probability of `CERTAIN` or more.

    What is matched to a less certain one is left out.
    """
    expected, again = (calibrated(one, held_out, labels, classes) for one in (moved.expected, moved.predictions))
    at, certain = matches(again, expected), expected.scores >= CERTAIN
    right = torch.zeros(len(at), dtype=torch.float64)
    if len(certain):
        right = torch.where(certain, 1.0, torch.nan).double()[at].where(at >= 0, 0.0)
    sure = expected.kept(certain)
    return curves(again, right, counts(replace(sure, scores=torch.ones_like(sure.scores)), classes))


def boxes_learnt(held_out: Sequence[Boxes], labels: Boxes, task: Detection) -> list[bool]:
    """Whether each candidate has learnt the source.

    The merit is AP50 on held-out source images, minus that against the labels of another image. It must be `LEARNT` of
    the best candidate's or more, and exceed zero by two standard errors.

    Args:
        held_out: boxes of each candidate.
        labels: of the held-out source.
        task: of all candidates.
    """
    classes, others = len(task.classes), labels[torch.arange(len(labels)).roll(1)]
    above = [
        ap_shares(against_labels(one, labels, classes)) - ap_shares(against_labels(one, others, classes))
        for one in held_out
    ]
    merits = torch.stack([one.mean() for one in above]).nan_to_num(0)
    least = torch.tensor([2 * standard_error(one, None) for one in above], dtype=torch.float64)
    learnt: list[bool] = (merits > least.clamp(min=LEARNT * float(merits.max()))).tolist()
    return learnt


def clear_boxes(boxes: Boxes, like: Boxes | None = None) -> Boxes:
    """The boxes from `CLEAR` of the typical score: the mean of the scores, weighed by themselves.

    Args:
        like: boxes with typical scores; None for these themselves.
    """
    scores = boxes.scores if like is None else like.scores
    return boxes.kept(boxes.scores >= CLEAR * scores.square().sum() / scores.sum().clamp(min=1e-9))


def boxes_collapsed(target: Boxes, held_out: Boxes, task: Detection) -> str | None:
    """A sentence if the boxes for the target show that a candidate has failed, compared with those for the source.

    It has if it finds next to nothing, or objects everywhere; if one of several classes alone is left; if the boxes are
    far larger or smaller; or if they are the same in all images. Only clear boxes count, see `clear_boxes`.
    """
    found, known = clear_boxes(target, held_out), clear_boxes(held_out)
    ours, theirs = (len(one.scores) / max(1, len(one)) for one in (found, known))
    if not len(known.scores):
        return None  # it has not learnt the source
    if not VANISHED * theirs <= ours <= FLOOD * theirs:
        return f"it finds {ours:.2g} boxes an image on the target, and {theirs:.2g} on held-out source"
    shares = [
        torch.bincount(one.classes, minlength=len(task.classes)).double() / len(one.scores) for one in (found, known)
    ]
    most = int(shares[0].argmax())
    rest, before = (float(1 - share[most]) for share in shares)
    if before > 0 and rest < VANISHED * before:
        return (
            f"{1 - rest:.1%} of its boxes on the target are of the class '{task.classes[most]}', and {1 - before:.1%} "
            "on held-out source"
        )
    sides = [float(areas(one.corners).sqrt().median()) for one in (found, known)]
    if not 1 / RESIZED <= sides[0] / sides[1] <= RESIZED:
        return f"its boxes are {sides[0]:.3g} pixels long on the target, and {sides[1]:.3g} on held-out source"
    alike = 1 - apart(task, found, found[torch.arange(len(found)).roll(1)])
    if len(found) > 1 and float(alike.nanmean()) > SAME:
        return "it finds the same boxes in every image"
    return None
