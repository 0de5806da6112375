"""Histogram matching: gives the levels of each channel, or of the lightness, the target's distribution."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..data.domains import Labelled, Unlabelled
from ..settings import settings
from ..training.loop import Loop, Report
from ..transforms.colour import to_lab, to_rgb
from .base import ImageMapping, pick, some

LEVELS = 256
MOST = 2048  # most images that are read from each domain


@settings
class Histogram(ImageMapping):
    """Histogram matching: maps the grey levels of each channel to the target's distribution of levels.

    The order of the levels is preserved. The method corrects exposure, contrast and gamma exactly, and nothing else. No
    edge changes its position, so every label stays correct.

    References:
        Gonzalez & Woods. Digital Image Processing, section 3.3.

    Args:
        space: `rgb` matches each channel; `lab` matches the lightness alone and keeps the colours. Grey images have one
            channel in both.
        match: `domain` maps all levels of the source by one curve for each channel, to the levels of the whole target;
            `image` gives each image the levels of one target image.
        reject: as in `Rejection`.
    """

    name: ClassVar[str] = "histogram"

    space: Literal["rgb", "lab"] = "rgb"
    match: Literal["domain", "image"] = "domain"

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> None:
        ours, theirs = (ranks(self.channels(some(z.inputs, MOST, loop.seed))) for z in (source, target))
        if self.match == "domain":
            self.source_ranks, self.target_ranks = ours.mean(0, keepdim=True), theirs.mean(0, keepdim=True)
        else:
            self.source_ranks, self.target_ranks = ours[:0], theirs

    def channels(self, x: Tensor) -> Tensor:
        """The matched values in 0..1: every channel, or the lightness."""
        return to_lab(x)[:, :1] / 100 if self.space == "lab" and x.shape[1] == 3 else x

    def refine(self, x: Tensor) -> Tensor:
        in_lab = self.space == "lab" and x.shape[1] == 3
        lab = to_lab(x) if in_lab else x
        matched = lab[:, :1] / 100 if in_lab else x
        if self.match == "domain":
            curve = levels_at(self.source_ranks.to(x.device), self.target_ranks.to(x.device)).expand(len(x), -1, -1)
        else:
            curve = levels_at(ranks(matched), self.target_ranks.to(x.device)[pick(x, len(self.target_ranks))])
        matched = through(curve, matched)
        return to_rgb(torch.cat([matched * 100, lab[:, 1:]], 1)) if in_lab else matched

    def learnt(self) -> dict[str, Tensor]:
        return {"source_ranks": self.source_ranks, "target_ranks": self.target_ranks}

    def take(self, learnt: dict[str, Tensor]) -> None:
        self.source_ranks, self.target_ranks = learnt["source_ranks"], learnt["target_ranks"]


def ranks(x: Tensor) -> Tensor:
    """Share of an image's pixels below each level: (N, C, 256) of (N, C, H, W) in 0..1.

    Half of the pixels at the level are counted.
    """
    n, c = x.shape[:2]
    levels = (x.clamp(0, 1) * (LEVELS - 1)).round().long().flatten(2)
    counts = x.new_zeros(n, c, LEVELS).scatter_add_(2, levels, x.new_ones(1).expand(levels.shape))
    return (counts.cumsum(2) - counts / 2) / levels.shape[2]


def levels_at(wanted: Tensor, known: Tensor) -> Tensor:
    """Levels in 0..1 at which `known` (N, C, 256) equals `wanted` (N, C, 256), by linear interpolation."""
    known = known.contiguous()
    upper = torch.searchsorted(known, wanted.contiguous()).clamp(max=LEVELS - 1)
    lower = (upper - 1).clamp(min=0)
    start, end = known.gather(2, lower), known.gather(2, upper)
    share = ((wanted - start) / (end - start).clamp(min=1e-9)).clamp(0, 1)
    return (lower + share * (upper - lower)) / (LEVELS - 1)


def through(curve: Tensor, x: Tensor) -> Tensor:
    """Apply a curve (N, C, 256) to each image and channel of `x` (N, C, H, W) in 0..1, by linear interpolation."""
    at = (x.clamp(0, 1) * (LEVELS - 1)).flatten(2)
    lower = at.floor().long().clamp(max=LEVELS - 2)
    start, end = curve.gather(2, lower), curve.gather(2, lower + 1)
    return (start + (end - start) * (at - lower)).view(x.shape)
