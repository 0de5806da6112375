"""Drawing: soft-edged ellipses, bent and lobed, of a whole batch of images, drawn as one flat list of pixels.

A batch has tens of small blobs in each image. So the pixels of all bounding boxes stand one after another, each box as
long as it is, and every operation runs once over that list. Nothing has an axis of blobs by the pixels of an image.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

INDEX_BITS = 24  # of a blob, below the bits of its height
TILE, LENGTH = 512, 12.0  # side of the tile of noise, and the length over which it varies, in its samples


@dataclass(frozen=True)
class Blobs:
    """M blobs of N images, in the order of the images. Each field is (M,); lengths are in pixels.

    Args:
        image: int64, index of the image.
        x, y: centre. (0, 0) is the centre of the top-left pixel.
        long, short: semi-axes of the ellipse.
        angle: of the long axis, from x towards y, radians.
        edge: width over which the light rises. At half of it lies the outline.
        light: of the flat part, any unit.
        bend: shift of the long axis across itself, in short semi-axes.
        waves: (M, 4), deviation of the outline: cosine and sine of three and of four waves around it.
    """

    image: Tensor
    x: Tensor
    y: Tensor
    long: Tensor
    short: Tensor
    angle: Tensor
    edge: Tensor
    light: Tensor
    bend: Tensor
    waves: Tensor

    @classmethod
    def round(cls, image: Tensor, x: Tensor, y: Tensor, radius: Tensor, edge: Tensor, light: Tensor) -> Blobs:
        """Circles."""
        none = torch.zeros_like(x)
        return cls(image, x, y, radius, radius, none, edge, light, none, none[:, None].expand(-1, 4))

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: Tensor) -> Blobs:
        return Blobs(*(getattr(self, field.name)[index] for field in fields(self)))

    def scaled(self, factor: float) -> Blobs:
        """The same blobs in an image that is `factor` times as large."""
        lengths = {name: getattr(self, name) * factor for name in ("long", "short", "edge")}
        return replace(self, x=(self.x + 0.5) * factor - 0.5, y=(self.y + 0.5) * factor - 0.5, **lengths)


@dataclass(frozen=True)
class Pixels:
    """The pixels of the bounding boxes of blobs, (P,) each.

    Args:
        blob: int64, index of the blob.
        place: int64, index of the pixel in the flattened images (N, H, W).
        along, across: position from the centre of the blob along its long and its short axis, pixels.
        depth: distance from the outline, pixels, positive inside.
        squared: square of the distance from the centre, 1 on the outline of the ellipse.
    """

    blob: Tensor
    place: Tensor
    along: Tensor
    across: Tensor
    depth: Tensor
    squared: Tensor


def pixels(blobs: Blobs, size: tuple[int, int]) -> Pixels:
    """The pixels of the bounding boxes of the blobs within images of `size` (H, W)."""
    height, width = size
    cos, sin = blobs.angle.cos(), blobs.angle.sin()
    grown = 1 + blobs.waves.abs().sum(1)
    half = blobs.edge / 2
    far, wide = blobs.long * grown * (1 + blobs.bend.abs() / 4), blobs.short * (grown + blobs.bend.abs())
    reach_x = torch.hypot(far * cos, wide * sin) + half
    reach_y = torch.hypot(far * sin, wide * cos) + half
    left, right = (blobs.x - reach_x).ceil().clamp(0, width), (blobs.x + reach_x).floor().clamp(-1, width - 1)
    top, bottom = (blobs.y - reach_y).ceil().clamp(0, height), (blobs.y + reach_y).floor().clamp(-1, height - 1)
    columns, rows = (right - left + 1).clamp(min=0).long(), (bottom - top + 1).clamp(min=0).long()

    # First the rows of all boxes, then their pixels: along a row, positions rise by the cosine and sine of the angle.
    of_row, row = _ranges(rows)
    y = row + top[of_row]
    dx, dy = (left - blobs.x)[of_row], y - blobs.y[of_row]
    start = (blobs.image[of_row] * height + y.long()) * width + left[of_row].long()
    along = dx * cos[of_row] + dy * sin[of_row]
    across = dy * cos[of_row] - dx * sin[of_row]
    at, column = _ranges(columns[of_row])
    blob = of_row[at]
    along = torch.addcmul(along[at], column, cos[blob])
    across = torch.addcmul(across[at], column, sin[blob], value=-1)
    return Pixels(blob, start[at] + column.long(), along, across, *_depth(blobs, blob, along, across))


def _ranges(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For ranges 0..count - 1, one after another: the index of the range, int64, and the number in it, float32."""
    of = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    starts = counts.cumsum(0) - counts
    return of, (torch.arange(len(of), device=counts.device) - starts[of]).float()


def _depth(blobs: Blobs, blob: Tensor, along: Tensor, across: Tensor) -> tuple[Tensor, Tensor]:
    """Distance from the outline in pixels, and the square of the distance from the centre in semi-axes."""
    per_long, per_short = blobs.long.reciprocal()[blob], blobs.short.reciprocal()[blob]
    p = along * per_long
    squared_p = p.square()
    q = torch.addcmul(across * per_short, squared_p - 0.5, blobs.bend[blob])
    squared = squared_p + q.square()
    radius = squared.sqrt().clamp_(min=1e-6)
    cos, sin = p / radius, q / radius
    # The distance to an ellipse, to first order: the excess divided by its gradient.
    gradient = torch.hypot(cos * per_long, sin * per_short)
    return (_outline(blobs, blob, cos, sin) - radius) / gradient, squared


def _outline(blobs: Blobs, blob: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Radius of the outline in semi-axes, in the direction of a cosine and a sine."""
    if not blobs.waves.any():
        return torch.ones_like(cos)
    c2, s2 = cos.square(), sin.square()
    three, three_sin, four, four_sin = (blobs.waves[:, i].contiguous()[blob] for i in range(4))
    outline = (4 * c2 - 3).mul_(cos).mul_(three).add_(1)
    outline += (3 - 4 * s2).mul_(sin).mul_(three_sin)
    outline += (1 - 8 * c2 * s2).mul_(four)
    return outline.addcmul_((c2 - s2).mul_(cos).mul_(sin), four_sin, value=4)


def rising(depth: Tensor, edge: Tensor) -> Tensor:
    """From 0 outside to 1 inside, one half on the outline, smoothly over the width `edge` in pixels."""
    x = (depth / edge + 0.5).clamp_(0, 1)
    smooth: Tensor = x * x * (3 - 2 * x)
    return smooth


def summed(light: Tensor, place: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Images of `shape` (N, H, W) in which the light (P,) of all pixels adds up."""
    total = torch.zeros(shape[0] * shape[1] * shape[2], device=light.device)
    return total.index_add_(0, place, light).view(shape)


def drawn(blobs: Blobs, shape: tuple[int, int, int]) -> Tensor:
    """The plain light (N, H, W) of blobs."""
    at = pixels(blobs, shape[1:])
    light = rising(at.depth, blobs.edge[at.blob]).mul_(blobs.light[at.blob])
    return summed(light, at.place, shape)


def front(at: Pixels, height: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """(N, H, W) int64, index of the blob with the greatest height in a pixel among those around it, -1 for none.

    Args:
        at: P pixels.
        height: (P,) of each blob in each pixel, positive.
        shape: of the images.
    """
    inside = (at.depth > 0).nonzero()[:, 0]
    # The bits of positive floats are in the order of their values, so the highest key is that of the greatest height.
    key = (height[inside].view(torch.int32).long() << INDEX_BITS) + at.blob[inside]
    best = torch.full((shape[0] * shape[1] * shape[2],), -1, dtype=torch.int64)
    best.scatter_reduce_(0, at.place[inside], key, "amax")
    return torch.where(best < 0, -1, best & ((1 << INDEX_BITS) - 1)).view(shape)


@functools.cache
def tile() -> Tensor:
    """(TILE * TILE,) float32: smooth noise of mean 0 and standard deviation 1, which repeats without a seam."""
    white = torch.randn(TILE, TILE, generator=torch.Generator().manual_seed(0))
    waves = torch.fft.fftfreq(TILE).square()
    smooth = torch.fft.ifft2(torch.fft.fft2(white) * torch.exp(-8 * LENGTH**2 * (waves + waves[:, None]))).real
    noise: Tensor = (smooth - smooth.mean()) / smooth.std()
    return noise.flatten()


def noise_at(x: Tensor, y: Tensor) -> Tensor:
    """Smooth noise at positions x and y of any shape. It varies over a length of about 1."""
    column, row = ((place * LENGTH).long() & (TILE - 1) for place in (x, y))
    noise: Tensor = tile()[row.mul_(TILE).add_(column)]
    return noise
