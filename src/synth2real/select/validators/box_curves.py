"""Expected precision and recall of boxes: average precision where only the probability is known that a box is right.

With labels, the probabilities are 0 and 1, and the average precision is that of COCO at an IoU of 0.5 (but for its 101
steps of recall). Without labels, they come from other candidates, from a moved copy, or from calibrated confidences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...data.labels import Boxes
from ...tasks.boxes import matches, overlaps

FEWEST = 0.5  # expected objects of a class in all images below which it counts as absent
FITTED = 30  # fewest boxes on the held-out source to which confidences are calibrated
LEAST = 1e-4  # a score is kept this far from 0 and 1 in log odds
COVERED = 0.5  # share of a predicted box in an ignored one from which it is left out


@dataclass(frozen=True)
class Curve:
    """The boxes of one class in N images, the most certain one first.

    Args:
        right: (D,) float64 in 0..1, probability that a box is right.
        image: (D,) int64, its image.
        objects: (N,) float64, expected number of objects of the class in each image.
        scores: (D,) float32, by which the boxes are ordered.
    """

    right: Tensor
    image: Tensor
    objects: Tensor
    scores: Tensor

    def precision(self, weights: Tensor | None = None) -> Tensor:
        """Highest expected precision at the recall of each box or more, (D,) float64; images count by `weights`."""
        each = torch.ones_like(self.right) if weights is None else weights[self.image]
        found = (each * self.right).cumsum(0) / each.cumsum(0).clamp(min=1e-9)
        return found.flip(0).cummax(0).values.flip(0) if len(found) else found

    def average(self, weights: Tensor | None = None) -> float:
        """Expected average precision in 0..1; nan if less than `FEWEST` objects are expected.

        Args:
            weights: (N,) float64, how often each image counts, as in a resample; None for once.
        """
        total = float(self.objects.sum() if weights is None else self.objects @ weights)
        if total < FEWEST:
            return float("nan")
        each = self.right if weights is None else self.right * weights[self.image]
        return min(1.0, float(each @ self.precision(weights)) / total)

    def shares(self) -> Tensor:
        """What each image adds to the average precision, times N: (N,) float64, whose mean it is."""
        total = float(self.objects.sum())
        if total < FEWEST:
            return torch.full_like(self.objects, torch.nan)
        sums = torch.zeros_like(self.objects).index_add(0, self.image, self.right * self.precision())
        return sums * (len(sums) / max(total, float(sums.sum())))


def curves(boxes: Boxes, right: Tensor, objects: Tensor) -> list[Curve]:
    """A curve for each class.

    Args:
        boxes: predicted ones, with scores.
        right: (M,) probability that each box is right; nan for boxes that do not count.
        objects: (N, C) expected number of objects.
    """
    order = boxes.scores.argsort(descending=True, stable=True)
    order = order[right[order].isfinite()]
    classes, image = boxes.classes[order], boxes.image[order]
    parts = ((classes == index).nonzero().flatten() for index in range(objects.shape[1]))
    return [
        Curve(right[order][at].double(), image[at], objects[:, index].double(), boxes.scores[order][at])
        for index, at in enumerate(parts)
    ]


def averages(each: Sequence[Curve], weights: Tensor | None = None) -> Tensor:
    """Expected average precision of each class, (C,) float64; nan for an absent one."""
    return torch.tensor([curve.average(weights) for curve in each], dtype=torch.float64)


def ap_shares(each: Sequence[Curve], counted: Tensor | None = None) -> Tensor:
    """What each image adds to the mean of the average precisions, times N: (N,) float64, whose mean is AP50.

    Args:
        counted: (C,) bool, classes of the mean, of which one that is absent counts 0. None: those that are not absent.
    """
    shares = torch.stack([curve.shares() for curve in each])
    if counted is None:
        return shares.nanmean(0)
    return shares.nan_to_num(0)[counted].mean(0)


def against_labels(predicted: Boxes, labels: Boxes, classes: int) -> list[Curve]:
    """The curves of predicted boxes against labels. Boxes on ignored ones do not count."""
    known = labels.kept(~labels.ignored)
    right = (matches(predicted, known) >= 0).double()
    spared = (right == 0) & _covered(predicted, labels.kept(labels.ignored))
    return curves(predicted, right.where(~spared, torch.nan), counts(known, classes))


def _covered(boxes: Boxes, ignored: Boxes) -> Tensor:
    """Whether each box (M,) lies on an ignored one."""
    found = torch.zeros_like(boxes.ignored)
    for image in ignored.image.unique().tolist():
        ours, theirs = (boxes.image == image).nonzero().flatten(), ignored.corners[ignored.image == image]
        found[ours] = (overlaps(boxes.corners[ours], theirs) >= COVERED).any(1)
    return found


def counts(boxes: Boxes, classes: int) -> Tensor:
    """Expected number of objects of each class in each image by the scores of boxes, (N, C) float64."""
    sums = torch.zeros(len(boxes) * classes, dtype=torch.float64)
    return sums.index_add(0, boxes.image * classes + boxes.classes, boxes.scores.double()).view(-1, classes)


def calibrated(target: Boxes, held_out: Boxes, labels: Boxes, classes: int) -> Boxes:
    """The boxes, of which each has as score the probability that it is right by the labels of the held-out source.

    The score of a peak is no probability, and differs between networks. The log odds of a box that is right are a
    linear function of those of its score, with one slope and an intercept of each class, so that the order of the boxes
    of a class stays. With fewer than `FITTED` boxes, or if all or none is right, the scores stay as they are.

    Args:
        target: boxes of the target.
        held_out: boxes of the same model for source images that it was not trained on.
        labels: of these source images.
        classes: number of classes.

    References:
        Platt (1999). Probabilistic outputs for support vector machines. Advances in Large Margin Classifiers.
        Kuppers, Kronenberger, Shantia & Haselhoff (2020). Multivariate confidence calibration for object detection.
        CVPR workshops.
    """
    from sklearn.linear_model import LogisticRegression

    each = against_labels(held_out, labels, classes)
    right = torch.cat([curve.right for curve in each]).bool()
    kind = torch.cat([torch.full((len(curve.right),), index) for index, curve in enumerate(each)])
    if len(right) < FITTED or bool(right.all()) or not bool(right.any()):
        return target
    known = _features(torch.cat([curve.scores for curve in each]), kind, classes)
    machine = LogisticRegression(max_iter=1000).fit(known.numpy(), right.numpy())
    slope = float(machine.coef_[0, 0])
    if slope <= 0 or not len(target.scores):  # certain boxes are no better than others
        return target
    odds = machine.decision_function(_features(target.scores, target.classes, classes).numpy())
    return replace(target, scores=torch.from_numpy(odds).float().sigmoid())


def _features(scores: Tensor, classes: Tensor, count: int) -> Tensor:
    """Log odds of scores, and which class: (M, 1 + C) float64."""
    which = torch.nn.functional.one_hot(classes, count).double()
    return torch.cat([scores.double().clamp(LEAST, 1 - LEAST).logit()[:, None], which], 1)
