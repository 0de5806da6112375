"""Resizing of images by matrix products, with the bits of Pillow, for sizes that are known when the graph runs.

`read_image` resizes with Pillow: a box filter where both sides shrink, and else a triangle filter. A resize operator of
an ONNX runtime gives other pixels, and a network answers otherwise to them. Here each side is one product with a matrix
of weights, which is computed from the size of the image. The weights are whole multiples of 2^-22, and pixels are
rounded after each side, as in Pillow's `Resample.c`: products and sums are exact in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

UNIT = 2**22  # weights are multiples of 1 / UNIT


def resampled(images: Tensor, size: Sequence[int]) -> Tensor:
    """Images (N, C, H, W) of any size as (N, C, *size), both whole numbers in 0..255 as float64."""
    height, width = images.shape[2:]
    shrinks = (count(height) >= size[0]) & (count(width) >= size[1])
    across = _rounded(images @ weights(width, size[1], shrinks).T)
    return _rounded(weights(height, size[0], shrinks) @ across)


def weights(given: int, size: int, box: Tensor) -> Tensor:
    """Weights (size, given) float64 of the pixels of a side, in multiples of 1 / `UNIT`.

    Args:
        given, size: pixels before and after.
        box: truth value (); a box filter, else a triangle.
    """
    scale = count(given) / size
    wide = scale.clamp(min=1.0)
    support = torch.where(box, 0.5 * wide, wide)
    centre = (torch.arange(size, dtype=torch.float64)[:, None] + 0.5) * scale
    pixel = torch.arange(given, dtype=torch.float64)
    away = (pixel - centre + 0.5) * (1.0 / wide)
    each = torch.where(box, ((away > -0.5) & (away <= 0.5)).double(), (1.0 - away.abs()).clamp(min=0.0))
    each = each * ((pixel >= (centre - support + 0.5).floor()) & (pixel < (centre + support + 0.5).floor()))
    shares: Tensor = each / each.sum(1, keepdim=True)
    return (shares * UNIT + 0.5).floor()


def grey(images: Tensor) -> Tensor:
    """Luma (N, 1, H, W) of RGB images (N, 3, H, W) as Pillow rounds it, both whole numbers in 0..255 as float64."""
    red, green, blue = images.split(1, 1)
    luma: Tensor = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) / 0x10000
    return luma.floor()


def count(pixels: int) -> Tensor:
    """A side as a tensor (), so that the graph takes it from the image instead of keeping that of the example."""
    return torch.scalar_tensor(pixels, dtype=torch.float64)


def _rounded(sums: Tensor) -> Tensor:
    return (sums / UNIT + 0.5).floor().clamp(0, 255)
