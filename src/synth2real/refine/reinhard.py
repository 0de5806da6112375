"""Colour transfer: gives each Lab channel the target's mean and deviation."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..data.domains import Labelled, Unlabelled
from ..settings import settings
from ..training.loop import Loop, Report
from ..transforms.colour import to_lab, to_rgb
from .base import ImageMapping, pick, some

MOST = 2048  # most images that are read from each domain
LEAST = 1e-3  # lowest deviation of a channel, which avoids a division by zero


@settings
class Reinhard(ImageMapping):
    """Colour transfer: shifts and scales each Lab channel to the target's mean and standard deviation.

    Grey images have one channel. The paper uses the space l-alpha-beta of Ruderman. CIE Lab is equally decorrelated and
    better known.

    References:
        Reinhard, Ashikhmin, Gooch & Shirley (2001). Color transfer between images. IEEE CG&A 21(5).

    Args:
        match: `domain` gives the whole source the target's moments and keeps the differences between images; `image`,
            as in the paper, gives each image the moments of one target image.
        reject: as in `Rejection`.
    """

    name: ClassVar[str] = "reinhard"

    match: Literal["domain", "image"] = "domain"

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> None:
        ours, theirs = (moments(opponent(some(z.inputs, MOST, loop.seed))) for z in (source, target))
        self.source_moments = pooled(ours) if self.match == "domain" else ours[:0]
        self.target_moments = pooled(theirs) if self.match == "domain" else theirs

    def refine(self, x: Tensor) -> Tensor:
        values = opponent(x)
        theirs = self.target_moments.to(x.device)
        theirs = theirs[pick(x, len(theirs))]
        ours = self.source_moments.to(x.device) if self.match == "domain" else moments(values)
        (mean, std), (new_mean, new_std) = ours.unbind(1), theirs.unbind(1)
        matched = (values - mean[..., None, None]) * (new_std / std)[..., None, None] + new_mean[..., None, None]
        return to_rgb(matched) if x.shape[1] == 3 else matched

    def learnt(self) -> dict[str, Tensor]:
        return {"source_moments": self.source_moments, "target_moments": self.target_moments}

    def take(self, learnt: dict[str, Tensor]) -> None:
        self.source_moments, self.target_moments = learnt["source_moments"], learnt["target_moments"]


def opponent(x: Tensor) -> Tensor:
    """Lab of colour images; grey images unchanged."""
    return to_lab(x) if x.shape[1] == 3 else x


def moments(x: Tensor) -> Tensor:
    """Mean and deviation of each image's channels, (N, 2, C)."""
    std, mean = torch.std_mean(x, (2, 3), correction=0)
    return torch.stack([mean, std.clamp(min=LEAST)], 1)


def pooled(each: Tensor) -> Tensor:
    """Mean and deviation over all pixels of all images, (1, 2, C), from those of each image (N, 2, C)."""
    mean = each[:, 0].mean(0)
    variance = (each[:, 1].square() + each[:, 0].square()).mean(0) - mean.square()
    return torch.stack([mean, variance.clamp(min=LEAST**2).sqrt()])[None]
