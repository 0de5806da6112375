"""What self-training methods share: a slowly following copy of the student, and a weight that rises."""

from __future__ import annotations

import copy
import math

import torch

from .loop import Progress
from .model import Model


def frozen(model: Model) -> Model:
    """A copy that no update trains, in its form for prediction."""
    copied = copy.deepcopy(model).requires_grad_(False)
    copied.train(False)
    return copied


@torch.no_grad()
def follow(teacher: Model, student: Model, decay: float, progress: Progress) -> None:
    """Move the teacher towards the student, weights and batch statistics alike; quickly at first."""
    share = 1 - min(decay, (progress.step + 1) / (progress.step + 10))
    for mine, students in zip(teacher.parameters(), student.parameters(), strict=True):
        mine.lerp_(students, share)
    for kept, now in zip(teacher.buffers(), student.buffers(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(now, share)
        else:
            kept.copy_(now)


def half_cosine(progress: Progress) -> float:
    """From 0 to 1 over the first half of the training, by AdaMatch's cosine."""
    return 0.5 - 0.5 * math.cos(min(math.pi, 2 * math.pi * progress.fraction))
