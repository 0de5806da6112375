"""Spacing: blobs that lie too far in each other are pushed apart."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .drawing import Blobs

ROUNDS, STEP = 8, 0.6  # rounds in which neighbours push each other apart, and the share of the overlap in each


def apart(blobs: Blobs, overlap: Tensor, count: Tensor) -> Blobs:
    """Blobs that lie in each other farther than they may are pushed apart.

    Args:
        blobs: M blobs of N images.
        overlap: (M,) how far a blob may lie in another, per sum of their radii. Of two blobs the lower one counts.
        count: (N,) number of blobs of each image.
    """
    first, second = _pairs(blobs, count)
    if not len(first):
        return blobs
    place = torch.stack([blobs.x, blobs.y], 1)
    allowed = 1 - torch.minimum(overlap[first], overlap[second])
    for _ in range(ROUNDS):
        gap = place[second] - place[first]
        distance = gap.norm(dim=1).clamp_(min=1e-3)
        way = torch.atan2(gap[:, 1], gap[:, 0])
        near = (_radius(blobs, first, way) + _radius(blobs, second, way)) * allowed
        push = ((near - distance).clamp_(min=0) * (STEP / 2) / distance)[:, None] * gap
        place.index_add_(0, first, push, alpha=-1).index_add_(0, second, push)
    return replace(blobs, x=place[:, 0].contiguous(), y=place[:, 1].contiguous())


def _pairs(blobs: Blobs, count: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of all pairs of blobs in one image that may come to touch."""
    counts, each = count.long(), torch.arange(len(blobs))
    ends = counts.cumsum(0)[blobs.image]
    following = ends - each - 1
    first = torch.repeat_interleave(each, following)
    second = torch.arange(len(first)) - (following.cumsum(0) - following)[first] + first + 1
    reach = 1.5 * (blobs.long[first] + blobs.long[second])
    close = ((blobs.x[first] - blobs.x[second]).abs() < reach) & ((blobs.y[first] - blobs.y[second]).abs() < reach)
    return first[close], second[close]


def _radius(blobs: Blobs, index: Tensor, way: Tensor) -> Tensor:
    """Radius of the ellipses at `index` in the direction `way`, radians."""
    long, short, turn = blobs.long[index], blobs.short[index], way - blobs.angle[index]
    return long * short / torch.hypot(short * turn.cos(), long * turn.sin())
