"""RandAugment and TrivialAugment: each image gets a few operations from a long list."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
from pydantic import Field

from ..settings import settings
from ..tasks.base import Task
from ..transforms.sampling import Selection
from .policies import Amplitude, Fraction, Full, marked

OPERATIONS = (
    *("rotation", "scale", "aspect", "shear", "shift", "elastic", "mirror", "crop"),
    *("contrast", "brightness", "inversion", "solarization", "clutter", "noise", "blur", "cutout"),
    *("background", "occluder", "texture", "motion", "shot", "jpeg"),
)


@settings
class RandAugment(Full):
    """RandAugment: applies a few operations, sampled from a list, to each image and omits all other operations.

    The list contains the operations of `Full`, all but `crop` with a default amplitude above 0, and "identity". An
    operation with amplitude 0 is not in the list. Geometric operations are applied first, whatever the order of
    sampling. Each value is sampled uniformly within its amplitude. This is the paper's "random magnitude", which was as
    good as a constant one in the paper.

    References:
        Cubuk, Zoph, Shlens & Le (2020). RandAugment: practical automated data augmentation with a reduced search space.
        NeurIPS.

    Args:
        strength: 0..1; 0 is the identity. None: 1 for every task, because only a few operations act on one image.
        operations: number of operations for each image.
    """

    operations: int = Field(default=2, ge=1)
    rotation: Amplitude = 30.0
    scale: float = Field(default=0.3, ge=0, lt=1)
    aspect: Amplitude = 0.3
    shear: Amplitude = 0.3
    shift: Amplitude = 0.2
    background: Fraction = 1.0
    occluder: Fraction = 0.5
    texture: Fraction = 0.7
    motion: Fraction = 0.25
    shot: Amplitude = 0.15
    jpeg: Fraction = 0.9

    def settled(self, task: Task) -> Self:
        """As `Full`, with strength 1 if it is None."""
        return marked(replace(super().settled(task), strength=1.0 if self.strength is None else self.strength), task)

    def _chosen(self, n: int, generator: torch.Generator) -> Selection:
        names = [name for name in OPERATIONS if getattr(self, name) != 0]
        ranks = torch.rand(n, len(names) + 1, generator=generator, device=generator.device)  # the last is the identity
        taken = ranks.argsort(1).argsort(1) < self.operations
        return {name: taken[:, i] for i, name in enumerate(names)}


@settings
class TrivialAugment(RandAugment):
    """TrivialAugment: applies one operation with a random strength to each image, and needs no tuning.

    References:
        Müller & Hutter (2021). TrivialAugment: tuning-free yet state-of-the-art data augmentation. ICCV.
    """

    operations: int = Field(default=1, ge=1)
