"""RandAugment and TrivialAugment: few operations of a long list for each image, in place of a little of all."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
from pydantic import Field

from ..settings import settings
from ..tasks.base import Task
from ..transforms.sampling import Selection
from .policies import Amplitude, Fraction, Full

OPERATIONS = (
    *("rotation", "scale", "aspect", "shear", "shift", "elastic", "mirror"),
    *("contrast", "brightness", "inversion", "solarization", "clutter", "noise", "blur", "cutout"),
    *("background", "occluder", "texture", "motion", "shot", "jpeg"),
)


@settings
class RandAugment(Full):
    """Each image takes a few operations, drawn from all, and is left alone by the others.

    The list is that of `Full`, with amplitudes for all of it and "identity" as one more; an operation whose amplitude
    is 0 is not in it. Geometry acts first, whatever the order of the draws. Each value is drawn uniformly within
    its amplitude, the paper's "random magnitude", which was there as good as a constant one.

    References:
        Cubuk, Zoph, Shlens & Le (2020). RandAugment: practical automated data augmentation with a reduced search space.
        NeurIPS.

    Args:
        strength: 0..1; 0 is the identity. None: 1, whatever the task, since few operations act at once.
        operations: how many each image takes.
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
        """As `Full`, at full strength where it is None."""
        return replace(super().settled(task), strength=1.0 if self.strength is None else self.strength)

    def _chosen(self, n: int, generator: torch.Generator) -> Selection:
        names = [name for name in OPERATIONS if getattr(self, name) != 0]
        ranks = torch.rand(n, len(names) + 1, generator=generator, device=generator.device)  # the last is the identity
        taken = ranks.argsort(1).argsort(1) < self.operations
        return {name: taken[:, i] for i, name in enumerate(names)}


@settings
class TrivialAugment(RandAugment):
    """Each image takes one operation, of a strength drawn anew: nothing is left to be set.

    References:
        Müller & Hutter (2021). TrivialAugment: tuning-free yet state-of-the-art data augmentation. ICCV.
    """

    operations: int = Field(default=1, ge=1)
