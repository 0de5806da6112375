"""Label-free scores of masks, of each image, in units of intersection over union (IoU) of the foreground classes.

All functions take masks (N, h, w) and probabilities (N, C, h, w) at the size of `maps.compact_size`. The first class is
the background. An image in which a class occurs neither in the mask nor in what it is compared with says nothing about
that class; one without any foreground says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.groups import standard_error
from ...data.labels import IGNORED
from ...tasks import Segmentation, Task
from ...tasks.prediction_distance import apart, most_probable
from .candidate import Pool
from .confidence import temperature_scaled
from .moves import Moved

SPECK = 0.002  # of an image: a class with a smaller expected area, and not in the mask, counts as absent
FITTED, POINTS = 200, 16  # most images, and points a side, to which a temperature is fitted
LEARNT = 0.5  # a candidate has learnt the source if its IoU, above chance, is this share of the best candidate's
VANISHED = 0.05  # of its share on the source, below which a class has vanished from the target
SAME = 0.97  # mean IoU of the masks of different images above which they are the same mask
BATCH = 100  # images at once


def overlaps(masks: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Expected intersection and union of each class of masks with the truth, in points, (N, C) float64 each.

    Args:
        masks: (N, h, w) predicted classes.
        probabilities: (N, C, h, w) of the true class of each point.
    """
    common, union = [], []
    for part in torch.arange(len(masks)).split(BATCH):
        ours = F.one_hot(masks[part].long(), probabilities.shape[1]).movedim(-1, 1).float()
        theirs = probabilities[part].float()
        both = (ours * theirs).sum((2, 3), dtype=torch.float64)
        common.append(both)
        union.append((ours + theirs).sum((2, 3), dtype=torch.float64) - both)
    return torch.cat(common), torch.cat(union)


def expected_ious(masks: Tensor, probabilities: Tensor) -> Tensor:
    """Expected IoU of the foreground in each image: sum of y p over sum of (y + p - y p), mean over classes, (N,).

    It is float64, and nan if a class is in neither for all foreground classes: not in the mask y, and with an expected
    area below `SPECK` of the image.
    """
    common, union = overlaps(masks, probabilities)
    absent = (union < SPECK * masks[0].numel()) & (_areas(masks, probabilities.shape[1]) == 0)
    return torch.where(absent, torch.nan, common / union.clamp(min=1e-9))[:, 1:].nanmean(1)


def calibrated(target: Tensor, held_out: Tensor, labels: Tensor) -> Tensor:
    """Probabilities (N, C, h, w) float32 of the target at the temperature that fits the labels of the source best.

    Args:
        target, held_out: probabilities (N, C, h, w) and (M, C, h, w).
        labels: (M, h, w) of the held-out source.
    """
    images = torch.linspace(0, len(labels) - 1, min(FITTED, len(labels))).long()
    rows, columns = (
        torch.linspace(0, side - 1, min(POINTS, side)).round().long() for side in labels.shape[1:]
    )
    truth = labels[images][:, rows][:, :, columns].flatten().long()
    known = truth != IGNORED
    fitted = held_out[images][:, :, rows][..., columns].movedim(1, -1).flatten(0, 2)[known]
    count, classes, height, width = target.shape
    flat = target.movedim(1, -1).reshape(-1, classes)
    scaled = temperature_scaled(flat, fitted, truth[known]).float()
    return scaled.view(count, height, width, classes).movedim(-1, 1)


def agreements(index: int, masks: Sequence[Tensor], probabilities: Sequence[Tensor], learnt: Sequence[bool]) -> Tensor | None:
    """Expected IoU of one candidate's masks with the mean probabilities of the others that have learnt the source."""
    others = [one for k, one in enumerate(probabilities) if k != index and learnt[k]]
    return expected_ious(masks[index], sum(others[1:], others[0]) / len(others)) if others else None


def mask_scores(targets: Sequence[Tensor], held_out: Sequence[Tensor], moved: Sequence[Moved | None], task: Task, labels: Tensor) -> Tensor:
    """The mean of three terms for each image, (M, N) float64, each an expected IoU of the foreground.

    - agreement: of the mask with the mean probabilities of the other candidates that have learnt the source
      (`masks_learnt`);
    - consistency: IoU of the mask of the moved image with the moved mask;
    - confidence: of the mask with its own probabilities, scaled down so that its mean is at most the mean consistency.

    All probabilities are at the temperature of the held-out source. A term that says nothing about an image is left
    out; an image in which no candidate finds any foreground scores 1.

    Args:
        targets, held_out: probabilities of each candidate.
        moved: masks before and after moves; None without.
        task: of all candidates.
        labels: (H, h, w) of the held-out source.
    """
    known = [calibrated(p, q, labels) for p, q in zip(targets, held_out, strict=True)]
    masks = [most_probable(p) for p in targets]
    learnt = masks_learnt(held_out, labels, task)
    scores = []
    for i, (own, mask, move) in enumerate(zip(known, masks, moved, strict=True)):
        terms = [] if (agreement := agreements(i, masks, known, learnt)) is None else [agreement]
        confidence = expected_ious(mask, own)
        if move is not None:
            consistency = 1 - apart(task, move.predictions, move.expected).double()
            confidence = confidence * (consistency.nanmean() / confidence.nanmean()).clamp(0, 1).nan_to_num(1.0)
            terms.append(consistency)
        scores.append(torch.stack([*terms, confidence]).nanmean(0).nan_to_num(1.0))
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


def confidence(pool: Pool) -> list[float]:
    """Expected IoU of the foreground by the candidate's own probabilities, at the temperature of the held-out source.

    Assumes that the calibration on the source holds on the target. A model that was trained to be confident, such as a
    self-trained one, gets a high score.
    """
    found = []
    for mine, held in zip(pool.target, pool.source, strict=True):
        found.append(float(expected_ious(most_probable(mine), calibrated(mine, held, pool.labels)).nanmean()))
    return [0.0 if one != one else one for one in found]


def _areas(masks: Tensor, classes: int) -> Tensor:
    """Points of each class in each mask, (N, C) int64."""
    counts = torch.zeros(len(masks), classes, dtype=torch.int64)
    return counts.scatter_add_(1, masks.flatten(1).long(), torch.ones_like(masks.flatten(1), dtype=torch.int64))
