"""Resizing of images by matrix products, with the bits of Pillow, for sizes that are known when the graph runs.

`read_image` resizes with Pillow: a box filter where both sides shrink, and else a triangle filter. A resize operator of
an ONNX runtime gives other pixels, and a network answers otherwise to them. Here each side is one product with a matrix
of weights, which is computed from the size of the image. The weights are whole multiples of 2^-22, and pixels are
rounded after each side, as in Pillow's `Resample.c`: products and sums are exact in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.fitting import Resize, placed

UNIT = 2**22  # weights are multiples of 1 / UNIT


@dataclass(frozen=True)
class Side:
    """One side of the frame that images are resized to. All but `size` is known when the graph runs: tensors ().

    Args:
        given: pixels of the image as given.
        size: pixels of the frame.
        whole: pixels of the whole image after scaling.
        corner: place of its first pixel in the frame; negative if it is cut off. See `fitting.place`.
    """

    given: int
    size: int
    whole: Tensor
    corner: Tensor

    @property
    def shrinks(self) -> Tensor:
        """Whether the image has as many pixels as after scaling, or more."""
        return count(self.given) >= self.whole

    @property
    def seen(self) -> Tensor:
        """Pixels of the scaled image in the frame."""
        return self.whole.clamp(max=self.size)

    @property
    def place(self) -> Tensor:
        """Index of each pixel of the frame among those that are seen, (size,) float64; others are padding."""
        return torch.arange(self.size, dtype=torch.float64) - self.corner.clamp(min=0)

    @property
    def inside(self) -> Tensor:
        """Which pixels of the frame are no padding, (size,) bool."""
        return (self.place >= 0) & (self.place < self.seen)

    @property
    def box(self) -> tuple[Tensor, Tensor]:
        """Where what is seen starts in the image as given, and its length; Pillow takes both ends as float32."""
        given = count(self.given)
        start = self.corner.clamp(max=0).neg() * given / self.whole
        end = torch.where(self.whole > self.size, torch.minimum(given, start + self.size * given / self.whole), given)
        return start.float().double(), (end.float() - start.float()).double()


def resampled(images: Tensor, size: Sequence[int], resize: Resize) -> Tensor:
    """Images (N, C, H, W) of any size as (N, C, *size), both whole numbers in 0..255 as float64.

    Padding has the mean colour of the image, see `fitting.fitted`.
    """
    given = images.shape[2:]
    whole, corner = placed(torch.stack([count(side) for side in given]), size, resize)
    rows, columns = (Side(given[i], size[i], whole[i], corner[i]) for i in (0, 1))
    shrinks = rows.shrinks & columns.shrinks
    across = _rounded(images @ weights(columns, shrinks).T)
    seen = _rounded(weights(rows, shrinks) @ across)
    if resize != "letterbox":
        return seen
    mean = (seen.sum((2, 3), keepdim=True) / (rows.seen * columns.seen)).round()
    return torch.where(rows.inside[:, None] & columns.inside, seen, mean)


def weights(side: Side, box: Tensor) -> Tensor:
    """Weights (size, given) float64 of the pixels of a side, in multiples of 1 / `UNIT`; 0 for padding.

    Args:
        side: of the frame.
        box: truth value (); a box filter, else a triangle.
    """
    start, length = side.box
    scale = length / side.seen
    wide = scale.clamp(min=1.0)
    support = torch.where(box, 0.5 * wide, wide)
    centre = start + (side.place[:, None] + 0.5) * scale
    pixel = torch.arange(side.given, dtype=torch.float64)
    away = (pixel - centre + 0.5) * (1.0 / wide)
    each = torch.where(box, ((away > -0.5) & (away <= 0.5)).double(), (1.0 - away.abs()).clamp(min=0.0))
    each = each * ((pixel >= (centre - support + 0.5).floor()) & (pixel < (centre + support + 0.5).floor()))
    shares = each / each.sum(1, keepdim=True)
    return torch.where(side.inside[:, None], (shares * UNIT + 0.5).floor(), 0.0)


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
