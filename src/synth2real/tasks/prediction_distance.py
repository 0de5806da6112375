"""The distance between two predictions for each sample, in the units of the task's metric."""

from __future__ import annotations

from torch import Tensor

from . import Classification, Gaze, Keypoints, Regression, Task
from .directions import degrees_between


def apart(task: Task, a: Tensor, b: Tensor) -> Tensor:
    """Distance (N,) between two predictions for each sample, in the units of the task's metric; nan if one is unknown.

    Classes: 1 if the most probable classes differ, else 0 (`b` may hold class indices). Values: mean absolute
    difference in units of the source's spread. Points: mean Euclidean distance in pixels. Gaze: degrees.
    """
    if isinstance(task, Classification):
        return (a.argmax(1) != (b.argmax(1) if b.ndim == 2 else b)).float()
    if isinstance(task, Gaze):
        return degrees_between(a, b).float()
    if isinstance(task, Keypoints):
        far: Tensor = (a - b).view(len(a), -1, 2).norm(dim=-1)
        return far.nanmean(1)
    assert isinstance(task, Regression)
    return ((a - b) / a.new_tensor(task.std)).abs().nanmean(1)
