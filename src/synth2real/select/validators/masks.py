"""Label-free scores of masks, of each image, in units of intersection over union (IoU) of the foreground classes.

All functions take masks (N, h, w) and probabilities (N, C, h, w) at the size of `maps.compact_size`. The first class is
the background. An image in which a class occurs neither in the mask nor in what it is compared with says nothing about
that class; one without any foreground says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...data.groups import standard_error
from ...data.labels import IGNORED
from ...tasks import Segmentation, Task
from ...tasks.prediction_distance import apart, mask_ious, most_probable
from .confidence import temperature_scaled
from .moves import Moved

SPECK = 0.002  # of an image: a class whose expected union is smaller counts as absent
FITTED, POINTS = 200, 16  # most images, and points a side, to which a temperature is fitted
LEARNT = 0.5  # a candidate has learnt the source if its IoU, above chance, is this share of the best candidate's
VANISHED = 0.05  # of its share on the source, below which a class has vanished from the target
SAME = 0.97  # mean IoU of the masks of different images above which they are the same mask


class Overlaps(NamedTuple):
    """Expected intersection and union with the truth, in points, (..., N, C) float64 each."""

    common: Tensor
    union: Tensor

    def ious(self, least: float) -> Tensor:
        """Intersection over union, (..., N, C) float64; nan for a class whose union is below `least` points."""
        return torch.where(self.union < least, torch.nan, self.common / self.union.clamp(min=1e-9))


def overlaps(masks: Tensor, probabilities: Tensor) -> Overlaps:
    """Expected overlaps of masks with the truth, of each class: sums of y p, and of y + p - y p.

    Args:
        masks: (N, h, w) predicted classes y.
        probabilities: p (N, C, h, w) of the true class of each point.
    """
    index = masks.long()
    chosen = probabilities.gather(1, index[:, None])[:, 0].flatten(1).double()
    zeros = chosen.new_zeros(len(masks), probabilities.shape[1])
    common = zeros.scatter_add(1, index.flatten(1), chosen)
    areas = zeros.scatter_add(1, index.flatten(1), torch.ones_like(chosen))
    return Overlaps(common, areas + probabilities.sum((2, 3), dtype=torch.float64) - common)


def pair_overlaps(masks: Sequence[Tensor], probabilities: Sequence[Tensor]) -> Overlaps:
    """Overlaps of the masks of each of M candidates with the probabilities of each, (M, M, N, C).

    The mean over some candidates is the overlap with their mean probabilities, as both sums are linear in them.
    """
    every = [[overlaps(mine, theirs) for theirs in probabilities] for mine in masks]
    common, union = (torch.stack([torch.stack([one[i] for one in row]) for row in every]) for i in range(2))
    return Overlaps(common, union)


def expected_ious(masks: Tensor, probabilities: Tensor) -> Tensor:
    """Expected IoU of the foreground in each image, the mean over its classes, (N,) float64.

    It is nan if all its classes are absent: the expected union is below `SPECK` of the image.
    """
    return overlaps(masks, probabilities).ious(SPECK * masks[0].numel())[:, 1:].nanmean(1)


def calibrated(target: Tensor, held_out: Tensor, labels: Tensor) -> Tensor:
    """Probabilities (N, C, h, w) float32 of the target at the temperature that fits the labels of the source best.

    Args:
        target, held_out: probabilities (N, C, h, w) and (M, C, h, w).
        labels: (M, h, w) of the held-out source.
    """
    images = torch.linspace(0, len(labels) - 1, min(FITTED, len(labels))).long()
    rows, columns = (torch.linspace(0, side - 1, min(POINTS, side)).round().long() for side in labels.shape[1:])
    truth = labels[images][:, rows][:, :, columns].flatten().long()
    known = truth != IGNORED
    fitted = held_out[images][:, :, rows][..., columns].movedim(1, -1).flatten(0, 2)[known]
    count, classes, height, width = target.shape
    flat = target.movedim(1, -1).reshape(-1, classes)
    scaled = temperature_scaled(flat, fitted, truth[known]).float()
    return scaled.view(count, height, width, classes).movedim(-1, 1)


def mask_scores(
    targets: Sequence[Tensor],
    held_out: Sequence[Tensor],
    moved: Sequence[Moved | None],
    task: Task,
    labels: Tensor,
) -> Tensor:
    """The mean of three terms for each image, (M, N) float64, each an expected IoU of the foreground.

    - agreement: of the mask with the mean probabilities of the other candidates that have learnt the source
      (`masks_learnt`);
    - consistency: IoU of the mask of the moved image with the moved mask;
    - confidence: of the mask with its own probabilities, scaled down so that its mean is at most the mean consistency.

    All probabilities are at the temperature of the held-out source. A class that is in no mask and in no probabilities
    is left out. If the others see a class that a candidate does not, all terms are 0 for it: a class that is never
    predicted is consistent, too. An image in which no candidate finds any foreground scores 1.

    Args:
        targets, held_out: probabilities of each candidate.
        moved: masks before and after moves; None without.
        task: of all candidates.
        labels: (H, h, w) of the held-out source.
    """
    known = [calibrated(p, q, labels) for p, q in zip(targets, held_out, strict=True)]
    learnt = masks_learnt(held_out, labels, task)
    found = pair_overlaps([most_probable(p) for p in targets], known)
    least = SPECK * targets[0][0, 0].numel()
    scores = []
    for i, move in enumerate(moved):
        terms = [Overlaps(found.common[i, i], found.union[i, i]).ious(least)[:, 1:]]
        if move is not None:
            consistency = mask_ious(move.predictions, move.expected, task.outputs)
            held = float(consistency.nanmean() / terms[0].nanmean())
            terms = [terms[0] * (min(held, 1.0) if held == held else 1.0), consistency]
        others = [k for k, of in enumerate(learnt) if of and k != i]
        if others:
            agreement = Overlaps(found.common[i, others].mean(0), found.union[i, others].mean(0)).ious(least)[:, 1:]
            seen = agreement.isfinite()
            terms = [agreement, *(torch.where(seen & term.isnan(), 0.0, term) for term in terms)]
        scores.append(torch.stack([term.nanmean(1) for term in terms]).nanmean(0).nan_to_num(1.0))
    return torch.stack(scores)


def masks_learnt(held_out: Sequence[Tensor], labels: Tensor, task: Task) -> list[bool]:
    """Whether each candidate has learnt the source.

    The merit is the mean IoU of the foreground of held-out source images, minus that of the labels with those of
    another image. It must be `LEARNT` of the best candidate's or more, and exceed zero by two standard errors.

    Args:
        held_out: probabilities of each candidate, (H, C, h, w).
        labels: (H, h, w).
        task: of all candidates.
    """
    chance = (1 - apart(task, labels.roll(1, 0).where(labels.roll(1, 0) != IGNORED, 0), labels)).double()
    above = [(1 - apart(task, one, labels)).double() - chance.nan_to_num(0) for one in held_out]
    known = [one[one.isfinite()] for one in above]
    merits = torch.tensor([float(one.mean()) if len(one) else 0.0 for one in known], dtype=torch.float64)
    least = torch.tensor([2 * standard_error(one, None) if len(one) > 1 else 0.0 for one in known]).double()
    learnt: list[bool] = (merits > least.clamp(min=LEARNT * float(merits.max()))).tolist()
    return learnt


def collapsed(target: Tensor, held_out: Tensor, task: Segmentation) -> str | None:
    """A sentence if the masks are the same for all target images, or a class has vanished that the source shows.

    The foreground, or the background, has vanished if its share of the target's pixels is below `VANISHED` of its share
    in the predictions for the held-out source. Both are probabilities (N, C, h, w).
    """
    found, known = (most_probable(one) for one in (target, held_out))
    shares = [float((one > 0).double().mean()) for one in (found, known)]
    foreground = ", ".join(f"'{name}'" for name in task.classes[1:4]) + (", ..." if task.outputs > 4 else "")
    for name, (ours, theirs) in ((foreground, shares), (f"'{task.classes[0]}'", [1 - share for share in shares])):
        if ours < VANISHED * theirs:
            return f"it predicts {name} for {ours:.2%} of the target's pixels, and for {theirs:.2%} on held-out source"
    alike = 1 - apart(task, found, found.roll(1, 0))
    if len(found) > 1 and float(alike.nanmean()) > SAME:
        return "it predicts the same mask for every image"
    return None
