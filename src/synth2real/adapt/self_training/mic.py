"""MIC: the student must predict from a masked target image what the teacher predicts from the whole image."""

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
    """Masked image consistency: the student learns from masked target images, with a teacher's labels for whole images.

    Square patches of the target image are hidden from the student. It must infer them from the rest, and so learns the
    relations between parts instead of the single most informative part. Everything else is as in `Teacher`: the choice
    of labels, the weight average, and the control of a regressor's drift.

    Differences from the paper: there, the masked loss is added to another method of adaptation with its own losses on
    whole target images (for classes SDAT, which is CDAN and MCC with a smooth task loss). Here, as in `Teacher`, the
    loss on the source is the only other one. The paper's teacher for classes has a decay of 0.9, and all its labels
    count, weighed by their confidence. It fills hidden squares with one colour for all images.

    It reduces accuracy if the object is small and nothing else in the image shows its position. For example, a masked
    pupil can at best be guessed from the lids. Lower `ratio` in this case.

    References:
        Hoyer, Dai, Wang & Van Gool (2023). MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation. CVPR.

    Args:
        ratio: share of the image that is hidden (0.7 in the paper).
        patch: side of a hidden square, as a share of the image's shorter side (2/7 in the paper, for classes: 64 of
            224 pixels).
    """

    ratio: float = Field(default=0.7, ge=0, lt=1)
    patch: float = Field(default=2 / 7, gt=0, le=1)

    def features(self, source: SourceBatch, target: TargetBatch) -> Tensor:
        seen = masked(self.pseudo.student(source, target), self.ratio, self.patch)
        features: Tensor = self.model.features(torch.cat([source.x, seen]))
        return features


def masked(x: Tensor, ratio: float, patch: float) -> Tensor:
    """Inputs with hidden squares.

    Each square is hidden with probability `ratio` and filled with the image's mean colour.

    Args:
        x: images (N, C, H, W), or features (N, F). Hidden features are replaced by their mean over the batch.
        patch: side of a square as a share of the shorter side; at least one pixel.
    """
    if x.ndim == 2:
        return torch.where(torch.rand_like(x) < ratio, x.mean(0), x)
    side = max(1, round(patch * min(x.shape[2:])))
    cells = [-(-length // side) for length in x.shape[2:]]
    hidden = (torch.rand(len(x), 1, *cells, device=x.device) < ratio).float()
    whole = F.interpolate(hidden, scale_factor=side)[..., : x.shape[2], : x.shape[3]]
    return torch.where(whole > 0, x.mean((2, 3), keepdim=True), x)
