"""Sensor: camera effects: motion blur, shot noise and JPEG compression."""

from __future__ import annotations

import functools
import math
from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from .photometric import STARTS, cut, grain
from .sampling import Rows, Selection, apply_where, check_fractions, kept, to_device
from .warp import layout

PATHS = 16  # number of motion paths per batch
SIDE = 8  # pixels per side of a JPEG block
LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, *[99] * 6),
    *[(99,) * 8] * 4,
)
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


@dataclass(frozen=True)
class Amplitudes:
    """Largest change of each operation of a sensor; 0 disables the operation.

    Args:
        motion: length of the motion blur, fraction of the shorter side. The blur path is centred on the original
            position of a point, so labels do not change.
        shot: standard deviation of the noise of a white pixel. It is proportional to the square root of the brightness.
        jpeg: loss of quality. The JPEG quality is in 100 (1 - jpeg) to 100 percent.

    Raises:
        InputError: `motion` or `jpeg` is outside 0..1.
    """

    motion: float = 0.0
    shot: float = 0.0
    jpeg: float = 0.0

    def __post_init__(self) -> None:
        check_fractions(motion=(self.motion, "a fraction of the frame"), jpeg=(self.jpeg, "a loss of quality"))


@dataclass(frozen=True)
class Sensor:
    """A camera for each of N images. Build it with `sample`.

    Args:
        moved: (N,) float32, 1 for an image with motion blur, else 0.
        paths: (P, 2) float32, x and y in pixels from the first to the last position of a point. The images with
            motion blur use the paths in turn, so that one pass handles many images.
        shot: (N, 1, 1, 1) float32, standard deviation at white.
        grain, starts: as in `PhotometricTransform`.
        quality: (N,) float32, percent. 100 means no JPEG compression.
        before: number of images with motion blur before these in their batch, which have taken the first turns.
    """

    moved: Tensor
    paths: Tensor
    shot: Tensor
    grain: Tensor
    starts: Tensor
    quality: Tensor
    before: int = 0

    @classmethod
    def sample(
        cls,
        n: int,
        channels: int,
        size: tuple[int, int],
        *,
        generator: torch.Generator,
        device: torch.device | str | None = None,
        chosen: Selection | None = None,
        **amplitudes: float,
    ) -> Sensor:
        """Sample cameras for n images of `channels` and `size` (H, W), each value uniformly in its range.

        Args:
            generator: generator of all random values.
            device: device of the sensor; None for the device of the generator.
            chosen: the images that each operation changes.
            amplitudes: fields of `Amplitudes`. Missing fields are 0.

        Raises:
            InputError: `motion` or `jpeg` is outside 0..1.
        """
        most, where = Amplitudes(**amplitudes), generator.device
        uniform = torch.rand(n, 2, generator=generator, device=where)
        length, angle = torch.rand(2, PATHS, generator=generator, device=where)
        length, angle = length * most.motion * min(size), angle * math.pi
        moved = torch.full((n,), float(most.motion > 0), device=where)
        sampled = cls(
            moved=kept(moved, chosen, "motion"),
            paths=torch.stack([length * angle.cos(), length * angle.sin()], 1),
            shot=kept(most.shot * uniform[:, 0], chosen, "shot").view(n, 1, 1, 1),
            grain=grain(channels * size[0] * size[1] if most.shot else 0, generator),
            starts=torch.randint(STARTS, (n,), generator=generator, device=where),
            quality=kept(100 * (1 - most.jpeg * uniform[:, 1]), chosen, "jpeg", 100.0),
        )
        return sampled if device is None else to_device(sampled, device)

    def part(self, rows: Rows) -> Sensor:
        """The cameras of some images of the batch."""
        own = {name: rows.taken(getattr(self, name)) for name in ("moved", "shot", "starts", "quality")}
        return replace(self, **own, before=int((self.moved[: rows.start] > 0).sum()))

    def image(self, x: Tensor) -> Tensor:
        """Apply the cameras to images x (N, C, H, W) float32 in 0..1. Shape, range and memory format do not change."""
        y = apply_where(x, self.moved, self._smeared)
        if len(self.grain):
            y = apply_where(y, self.shot, self._noisy)
        y = apply_where(y, 100 - self.quality, lambda z, where: jpeg(z, self.quality[where]))
        return y.contiguous(memory_format=layout(x))

    def _smeared(self, x: Tensor, where: Tensor) -> Tensor:
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        paths = self.paths.roll(-self.before, 0)[: len(x)]
        for i, path in enumerate(paths.tolist()):
            y[i :: len(self.paths)] = smeared(x[i :: len(self.paths)].contiguous(), path)
        return y.clamp_(0, 1)  # rounding of a mean may exceed 1

    def _noisy(self, x: Tensor, where: Tensor) -> Tensor:
        noise = cut(self.grain, self.starts[where], x).mul_(self.shot[where])
        return noise.mul_(x.sqrt()).add_(x).clamp_(0, 1)


def smeared(x: Tensor, path: list[float]) -> Tensor:
    """Motion blur of images x (N, C, H, W) along `path`, x and y in pixels, centred on each pixel."""
    taps = math.ceil(math.hypot(*path)) + 1
    shares = [(2 * i + 1 - taps) / (2 * max(1, taps - 1)) for i in range(taps)]  # positions on the path, -1/2 to 1/2
    places = Counter((round(path[1] * share), round(path[0] * share)) for share in shares)
    down, right = (max(abs(place[axis]) for place in places) for axis in (0, 1))
    wide, (height, width) = F.pad(x, (right, right, down, down), mode="replicate"), x.shape[2:]
    y = torch.zeros_like(x)
    for (top, left), count in places.items():
        y.add_(wide[:, :, down + top :, right + left :][:, :, :height, :width], alpha=count / taps)
    return y


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """JPEG compression of images x (N, 1 or 3, H, W) float32 in 0..1: blocks of 8 by 8, chroma at half resolution.

    Args:
        quality: (N,) percent, as in libjpeg. The quantization tables and their scaling are those of libjpeg.

    Raises:
        InputError: the images have neither 1 nor 3 channels.

    References:
        Wallace (1992). The JPEG still picture compression standard. IEEE Transactions on Consumer Electronics.
    """
    if x.shape[1] == 1:
        return _blocks(255 * x - 128, LUMA, quality).add_(128).div_(255).clamp_(0, 1)
    if x.shape[1] != 3:
        raise InputError(f"images with {x.shape[1]} channels, expected 1 (grey) or 3 (colour) for a JPEG")
    height, width = x.shape[2:]
    luma = _blocks(_mixed(x, TO_YCC[0])[:, None].sub_(128), LUMA, quality).add_(128)
    small = _halved(F.pad(x, (0, width % 2, 0, height % 2), mode="replicate") if height % 2 or width % 2 else x)
    colours = _blocks(torch.stack([_mixed(small, row) for row in TO_YCC[1:]], 1), CHROMA, quality)
    cb, cr = _doubled(colours)[:, :, :height, :width].unbind(1)
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    for plane, (_, blue, red) in zip(y.unbind(1), torch.tensor(TO_YCC).inverse().tolist(), strict=True):
        torch.add(luma[:, 0], cb, alpha=blue, out=plane).add_(cr, alpha=red)
    return y.div_(255).clamp_(0, 1)


def _halved(x: Tensor) -> Tensor:
    """Means of 2 by 2 pixels of x (N, C, H, W) with even sides. It takes an eighth of the time of `avg_pool2d`."""
    rows = x[:, :, 0::2] + x[:, :, 1::2]
    return (rows[..., 0::2] + rows[..., 1::2]).mul_(0.25)


def _doubled(x: Tensor) -> Tensor:
    """Bilinear upsampling of x (N, C, H, W) to (2 H, 2 W). It takes a fifth of the time of `interpolate`."""
    y = F.pad(x, (1, 1, 1, 1), mode="replicate")
    for axis in (2, 3):
        length = x.shape[axis]
        before, middle, after = (y.narrow(axis, start, length) for start in range(3))
        pairs = middle.new_empty(*middle.shape[: axis + 1], 2, *middle.shape[axis + 1 :])
        for side, place in zip((before, after), pairs.unbind(axis + 1), strict=True):
            torch.lerp(middle, side, 0.25, out=place)
        y = pairs.flatten(axis, axis + 1)
    return y


def _mixed(x: Tensor, weights: tuple[float, float, float]) -> Tensor:
    """Weighted sum (N, H, W) of the channels of x (N, 3, H, W) in 0..1, scaled to 0..255."""
    red, green, blue = x.unbind(1)
    return (red * (255 * weights[0])).add_(green, alpha=255 * weights[1]).add_(blue, alpha=255 * weights[2])


@functools.cache
def _waves() -> Tensor:
    """(64, 64) float32 orthonormal matrix: the discrete cosine transform of a flattened block of 8 by 8 pixels."""
    i = torch.arange(SIDE, dtype=torch.float64)
    one = torch.cos((2 * i + 1) * i[:, None] * math.pi / (2 * SIDE)) * math.sqrt(2 / SIDE)
    one[0] /= math.sqrt(2)
    return torch.kron(one, one).float()


def _blocks(x: Tensor, table: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Quantize the block DCT of planes x (N, C, H, W), centred on 0 in a scale of 255, with the steps of `table`."""
    n, channels, height, width = x.shape
    wide = F.pad(x, (0, -width % SIDE, 0, -height % SIDE), mode="replicate")
    rows, columns = wide.shape[2] // SIDE, wide.shape[3] // SIDE
    blocks = wide.view(n, channels, rows, SIDE, columns, SIDE).transpose(3, 4).reshape(n, -1, SIDE * SIDE)
    scale = torch.where(quality < 50, 50 / quality.clamp(min=1), 2 - quality / 50).view(-1, 1, 1)
    step = (torch.tensor(table, device=x.device).flatten() * scale).round().clamp(1, 255)
    waves = _waves().to(x.device)
    kept = (blocks @ waves.T).div_(step).round_().mul_(step) @ waves
    whole = kept.view(n, channels, rows, columns, SIDE, SIDE).transpose(3, 4).reshape(wide.shape)
    return whole[:, :, :height, :width]
