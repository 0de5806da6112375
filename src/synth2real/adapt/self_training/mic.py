"""MIC: the student must say of a masked target image what the teacher says of the whole one."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ...settings import settings
from ...training.loop import SourceBatch, TargetBatch
from .teacher import Teacher


@settings
class MIC(Teacher):
    """Masked image consistency: a teacher's student that sees the target through holes.

    Squares of the target image are hidden from the student, so it must learn what the rest tells of them: the relations
    between parts, not the one part that tells most. All else is `Teacher`: which labels count, the slow average, and
    how a regressor's drift is met.

    It harms where what is asked for is small and seen nowhere else: a pupil behind a mask is guessed from the lids, at
    best. Then lower `ratio`.

    References:
        Hoyer, Dai, Wang & Van Gool (2023). MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation. CVPR.

    Args:
        ratio: share of the image that is hidden (0.7 in the paper).
        patch: side of a hidden square, as a share of the image's shorter side (1/7 in the paper, for classes).
    """

    ratio: float = Field(default=0.7, ge=0, lt=1)
    patch: float = Field(default=1 / 7, gt=0, le=1)

    def outputs(self, source: SourceBatch, target: TargetBatch) -> tuple[Tensor, Tensor]:
        seen = torch.cat([source.x, masked(target.x, self.ratio, self.patch)])
        known, unknown = self.model(seen).split([len(source), len(target)])
        return known, unknown


def masked(x: Tensor, ratio: float, patch: float) -> Tensor:
    """Inputs whose squares are, each with probability `ratio`, the image's mean colour.

    Args:
        x: images (N, C, H, W), or features (N, F), of which single values are hidden behind their mean in the batch.
        patch: side of a square as a share of the shorter side; at least a pixel.
    """
    if x.ndim == 2:
        return torch.where(torch.rand_like(x) < ratio, x.mean(0), x)
    side = max(1, round(patch * min(x.shape[2:])))
    cells = [-(-length // side) for length in x.shape[2:]]
    hidden = (torch.rand(len(x), 1, *cells, device=x.device) < ratio).float()
    whole = F.interpolate(hidden, scale_factor=side)[..., : x.shape[2], : x.shape[3]]
    return torch.where(whole > 0, x.mean((2, 3), keepdim=True), x)
