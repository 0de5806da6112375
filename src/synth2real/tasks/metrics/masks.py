"""Metrics of masks: intersection over union, pixel accuracy, and how well boundaries agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.labels import IGNORED, Masks
from ...data.tiles.masks import WholeMasks
from ...errors import InputError

BATCH = 64  # images at once
TOLERANCE = 0.0075  # of the diagonal: how far a boundary may be off, as in Csurka et al. (2013)


def confusions(predictions: Tensor, truth: Tensor, classes: int) -> Tensor:
    """For each image the number of pixels (N, C, C) by true and predicted class, int64, of (N, H, W) uint8 each."""
    known = truth != IGNORED
    pairs = truth.long() * classes + predictions.long()
    pairs = pairs.where(known, classes * classes)
    counts = torch.zeros(len(truth), classes * classes + 1, dtype=torch.int64, device=truth.device)
    counts.scatter_add_(1, pairs.flatten(1), torch.ones_like(pairs.flatten(1)))
    return counts[:, :-1].view(-1, classes, classes)


def ious(confusion: Tensor) -> Tensor:
    """Intersection over union (..., C) float64 of counts (..., C, C); nan for a class in neither."""
    common = confusion.diagonal(dim1=-2, dim2=-1).double()
    union = confusion.sum(-1) + confusion.sum(-2) - common
    return torch.where(union > 0, common / union, torch.nan)


def image_ious(confusion: Tensor) -> Tensor:
    """For each image the mean IoU of its foreground classes, those in its labels or predictions, (N,) float64.

    It is nan for an image without a foreground in its labels. The first class is the background.
    """
    each = ious(confusion)[..., 1:].nanmean(-1)
    return torch.where(confusion[..., 1:, :].sum((-2, -1)) > 0, each, torch.nan)


def mask_metrics(
    predictions: Tensor | Sequence[Tensor], labels: Masks | WholeMasks, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Metrics of predicted class indices (N, H, W) uint8; of images of different sizes, (H, W) of each.

    `mean_iou` is the intersection over union, averaged over the classes, of the pixels of all images; `iou_of` has it
    for each class, None for one that occurs in neither. `image_iou` is that of the foreground classes in each image,
    averaged over the images that have any; None without one. `pixel_accuracy` is a share in 0..1. `boundary_f1` is the
    harmonic mean of the shares of the predicted and of the true boundary that are within 0.75 percent of the diagonal
    of the other.

    Raises:
        InputError: sizes differ, or no pixel has a known class.

    References:
        Csurka, Larlus & Perronnin (2013). What is a good evaluation measure for semantic segmentation? BMVC.
    """
    parts, edges = [], []
    for predicted, truth in _pairs(predictions, labels):
        if predicted.shape[1:] != truth.shape[1:]:
            found, of = ("x".join(map(str, masks.shape[1:])) for masks in (predicted, truth))
            raise InputError(f"predicted masks of {found} for labels of {of}, expected the same size")
        parts.append(confusions(predicted, truth, len(classes)))
        edges.append(boundary_f1(predicted, truth))
    counts = torch.cat(parts)
    total = counts.sum(0)
    if not total.sum():
        raise InputError(f"the masks have no pixel of a known class, only {IGNORED}, expected one or more")
    each, of_images = ious(total), image_ious(counts)
    return {
        "mean_iou": float(each.nanmean()),
        "image_iou": float(of_images.nanmean()) if of_images.isfinite().any() else None,
        "pixel_accuracy": int(total.diagonal().sum()) / int(total.sum()),
        "boundary_f1": _mean(torch.cat(edges)),
        "iou_of": {name: None if iou != iou else iou for name, iou in zip(classes, each.tolist(), strict=True)},
    }


def _pairs(predictions: Tensor | Sequence[Tensor], labels: Masks | WholeMasks) -> Iterator[tuple[Tensor, Tensor]]:
    """Predicted and true masks (B, H, W) of some images of one size at a time."""
    if isinstance(labels, WholeMasks):
        yield from ((predictions[i][None], labels[i][None]) for i in range(len(labels)))
        return
    assert isinstance(predictions, Tensor)
    for index in torch.arange(len(labels)).split(BATCH):
        yield predictions[index], labels[index].tensor


def boundary_f1(predictions: Tensor, truth: Tensor) -> Tensor:
    """Agreement of the boundaries between classes in each image, (N,) in 0..1; nan for an image without any."""
    reach = max(1, round(TOLERANCE * (truth.shape[1] ** 2 + truth.shape[2] ** 2) ** 0.5))
    known = (truth != IGNORED)[:, None]
    ours, theirs = (_boundary(masks[:, None], known) for masks in (predictions, truth))
    near_ours, near_theirs = (_spread(edge, reach) for edge in (ours, theirs))
    precision, recall = (
        (edge * near).sum((1, 2, 3)) / edge.sum((1, 2, 3)) for edge, near in ((ours, near_theirs), (theirs, near_ours))
    )
    score = (2 * precision * recall / (precision + recall)).nan_to_num(0.0)
    none = (ours.sum((1, 2, 3)) == 0) & (theirs.sum((1, 2, 3)) == 0)
    return torch.where(none, torch.nan, score)


def _spread(edge: Tensor, reach: int) -> Tensor:
    """The highest value up to `reach` pixels away: first across, then down, so that far reaches cost little."""
    across = F.max_pool2d(edge, (1, 2 * reach + 1), 1, (0, reach))
    return F.max_pool2d(across, (2 * reach + 1, 1), 1, (reach, 0))


def _boundary(masks: Tensor, known: Tensor) -> Tensor:
    """Pixels (N, 1, H, W) float32 whose right or lower neighbour has another class; both are known."""
    edge = torch.zeros_like(masks, dtype=torch.float32)
    edge[..., :, :-1] += (masks[..., :, :-1] != masks[..., :, 1:]) & known[..., :, :-1] & known[..., :, 1:]
    edge[..., :-1, :] += (masks[..., :-1, :] != masks[..., 1:, :]) & known[..., :-1, :] & known[..., 1:, :]
    return edge.clamp(max=1)


def _mean(values: Tensor) -> float | None:
    return float(values.nanmean()) if values.isfinite().any() else None
