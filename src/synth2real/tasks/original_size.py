"""Masks in pixels of the images as given: outputs of a model are enlarged and placed back, before a class is chosen."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.fitting import Fitting, Resize, Sides, place
from ..data.labels import IGNORED

VALUES = 2**24  # of enlarged outputs in memory at once


def original_masks(outputs: Tensor, fitting: Fitting) -> list[Tensor]:
    """The most probable class of each pixel of the images before they were fitted, (H, W) uint8 each.

    Outputs are interpolated, not classes, so that outlines are smooth in large images. What `crop` cut off is
    `IGNORED`.

    Args:
        outputs: maps (N, C, h, w) that cover the fitted images.
        fitting: of these N images.
    """
    sizes = [(height, width) for height, width in fitting.sizes.tolist()]
    return [_placed(maps, size, fitting.size, fitting.resize) for maps, size in zip(outputs, sizes, strict=True)]


def _placed(maps: Tensor, given: Sides, size: Sides, resize: Resize) -> Tensor:
    """The classes (H, W) of one image of `given` size, from maps (C, h, w)."""
    whole, corner = place(given, size, resize)
    down, right = (
        ((torch.arange(side) + 0.5) * (scaled / side) + start) / frame
        for side, scaled, start, frame in zip(given, whole, corner, size, strict=True)
    )  # where each row and column is, as a share of the fitted image
    rows = max(1, VALUES // (len(maps) * given[1]))
    parts = [_sampled(maps, part, right) for part in down.split(rows)]
    inside = ((down >= 0) & (down <= 1))[:, None] & ((right >= 0) & (right <= 1))
    return torch.cat(parts).where(inside, IGNORED)


def _sampled(maps: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """The class at each of these places, (rows, columns) uint8."""
    y, x = torch.meshgrid(2 * down - 1, 2 * right - 1, indexing="ij")
    grid = torch.stack([x, y], -1)[None].to(maps)
    found = F.grid_sample(maps[None], grid, padding_mode="border", align_corners=False)
    return found[0].argmax(0).to(torch.uint8)
