"""Shared parts of self-training methods: a moving average of the student as teacher, and a rising weight."""

from __future__ import annotations

import copy
import math

import torch

from .loop import Progress
from .model import Model


def frozen(model: Model) -> Model:
    """A copy without gradients, in evaluation mode."""
    copied = copy.deepcopy(model).requires_grad_(False)
    copied.train(False)
    return copied


@torch.no_grad()
def follow(teacher: Model, student: Model, decay: float, progress: Progress) -> None:
    """Update the teacher: a moving average of the student's weights and batch statistics. It moves faster at first."""
    share = 1 - min(decay, (progress.step + 1) / (progress.step + 10))
    for average, current in zip(teacher.parameters(), student.parameters(), strict=True):
        average.lerp_(current, share)
    for kept, latest in zip(teacher.buffers(), student.buffers(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(latest, share)
        else:
            kept.copy_(latest)


def half_cosine(progress: Progress) -> float:
    """Weight that rises from 0 to 1 over the first half of the training, with AdaMatch's cosine schedule."""
    return 0.5 - 0.5 * math.cos(min(math.pi, 2 * math.pi * progress.fraction))
