"""The distance between two predictions for each sample, in the units of the task's metric."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import Classification, Detection, Gaze, Keypoints, Regression, Segmentation, Task
from .boxes import matched
from .directions import degrees_between
from .metrics.masks import confusions, ious

BATCH = 100  # images at once


def apart(task: Task, a: Any, b: Any) -> Tensor:
    """Distance (N,) between two predictions for each sample, in the units of the task's metric; nan if one is unknown.

    Classes: 1 if the most probable classes differ, else 0 (`b` may hold class indices). Values: mean absolute
    difference in units of the source's spread. Points: mean Euclidean distance in pixels. Gaze: degrees. Masks: 1 minus
    the intersection over union of the foreground, the mean over its classes; unknown if neither has any. They are class
    indices (N, h, w) or probabilities (N, C, h, w), and pixels of `b` that are ignored do not count. Boxes: 1 minus
    their agreement, see `boxes.matched`; unknown if neither has any.
    """
    if isinstance(task, Classification):
        differ: Tensor = a.argmax(1) != (b.argmax(1) if b.ndim == 2 else b)
        return differ.float()
    if isinstance(task, Segmentation):
        return (1 - mask_ious(a, b, task.outputs).nanmean(1)).float()
    if isinstance(task, Detection):
        return (1 - matched(a, b)).float()
    if isinstance(task, Gaze):
        return degrees_between(a, b).float()
    if isinstance(task, Keypoints):
        far: Tensor = (a - b).view(len(a), -1, 2).norm(dim=-1)
        return far.nanmean(1)
    assert isinstance(task, Regression)
    scaled: Tensor = (a - b) / a.new_tensor(task.std)
    return scaled.abs().nanmean(1)


def most_probable(masks: Tensor) -> Tensor:
    """The class of each pixel (N, h, w) uint8 of probabilities (N, C, h, w), or of masks as they are."""
    return masks if masks.ndim == 3 else masks.argmax(1).to(torch.uint8)


def mask_ious(a: Tensor, b: Tensor, classes: int) -> Tensor:
    """Intersection over union of each class of the foreground in each image, (N, C - 1) float64; nan if in neither.

    Args:
        a, b: as in `apart`.
    """
    parts = torch.arange(len(a)).split(BATCH)
    counts = [confusions(most_probable(a[part]), most_probable(b[part]), classes) for part in parts]
    return ious(torch.cat(counts))[:, 1:]
