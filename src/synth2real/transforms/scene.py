"""Scene: random backgrounds and occluders around an object, procedural or from pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import InputError
from .photometric import patches, pattern, windows
from .sampling import Rows, Selection, apply_where, check_fractions, kept, to_device
from .warp import layout

SOLID = 0.5  # fraction of the largest distance from the border colour; a pixel beyond it is object only


@dataclass(frozen=True)
class Amplitudes:
    """Largest change of each operation of a scene; 0 disables the operation.

    Args:
        background: 0..1, opacity of the new background, which replaces pixels with the colour of the image border.
        occluder: largest diameter of the occluder, fraction of the frame, at most 1.

    Raises:
        InputError: either is outside 0..1.
    """

    background: float = 0.0
    occluder: float = 0.0

    def __post_init__(self) -> None:
        check_fractions(
            background=(self.background, "a share of the background"),
            occluder=(self.occluder, "a fraction of the frame"),
        )


@dataclass(frozen=True)
class Scene:
    """A background and an occluder for each of N images. Build it with `sample`.

    Args:
        background: (N, 1, 1, 1) float32 in 0..1, opacity of the background.
        size: (N,) float32, larger diameter of the occluder, fraction of the frame.
        shape: (N, 5) float32 in 0..1, of the occluder: position x and y, smaller diameter relative to the larger one,
            rotation (1 is half a turn), and kind (an ellipse below 1/2, else a box).
        pictures: (P, C, H, W) float32 in 0..1, the pictures that fill both; None for a procedural pattern.
        taken: (2, N) int64, index of the picture of the background and of the occluder.
        planes: (Q, 2 H, 2 W) float32, planes of the pattern; empty with pictures.
        laid: (2, 3, N, C) int64, windows of the pattern, as in `photometric.windows`.
        colour, contrast: (2, N, C, 1, 1) float32 in 0..1 and (2, N, 1, 1, 1), of the pattern.
    """

    background: Tensor
    size: Tensor
    shape: Tensor
    pictures: Tensor | None
    taken: Tensor
    planes: Tensor
    laid: Tensor
    colour: Tensor
    contrast: Tensor

    @classmethod
    def sample(
        cls,
        n: int,
        channels: int,
        size: tuple[int, int],
        *,
        pictures: Tensor | None = None,
        generator: torch.Generator,
        device: torch.device | str | None = None,
        chosen: Selection | None = None,
        **amplitudes: float,
    ) -> Scene:
        """Sample scenes for n images of `channels` and `size` (H, W), each value uniformly in its range.

        Args:
            pictures: (P, C, H, W) float32 in 0..1, for example real photographs; None for a smooth coloured pattern.
            generator: generator of all random values.
            device: device of the scene; None for the device of the generator.
            chosen: the images that each operation changes.
            amplitudes: fields of `Amplitudes`. Missing fields are 0.

        Raises:
            InputError: `background` or `occluder` is outside 0..1, or the pictures have other channels or another size.
        """
        most, where = Amplitudes(**amplitudes), generator.device
        if pictures is not None and tuple(pictures.shape[1:]) != (channels, *size):
            found = tuple(pictures.shape)
            raise InputError(
                f"pictures of shape {found}: expected (P, {channels}, {size[0]}, {size[1]}), like the images"
            )
        uniform = torch.rand(n, 7, generator=generator, device=where)
        count = 1 if pictures is None else len(pictures)
        sampled = cls(
            background=kept(most.background * uniform[:, 0], chosen, "background").view(n, 1, 1, 1),
            size=kept(most.occluder * uniform[:, 1], chosen, "occluder"),
            shape=uniform[:, 2:],
            pictures=pictures,
            taken=torch.randint(count, (2, n), generator=generator, device=where),
            planes=pattern(size, generator) if pictures is None else torch.empty(0, 1, 1, device=where),
            laid=torch.stack([windows(n, channels, size, generator) for _ in range(2)]),
            colour=torch.rand(2, n, channels, 1, 1, generator=generator, device=where),
            contrast=0.3 * torch.rand(2, n, 1, 1, 1, generator=generator, device=where),
        )
        return sampled if device is None else to_device(sampled, device)

    def part(self, rows: Rows) -> Scene:
        """The scenes of some images of the batch."""
        return replace(
            self,
            **{name: rows.taken(getattr(self, name)) for name in ("background", "size", "shape")},
            **{name: getattr(self, name)[:, rows.own] for name in ("taken", "colour", "contrast")},
            laid=self.laid[:, :, rows.own],
        )

    def image(self, x: Tensor) -> Tensor:
        """Add the scenes to images x (N, C, H, W) float32 in 0..1. Shape, range and memory format do not change."""
        y = apply_where(x, self.background, self._behind)
        return apply_where(y, self.size, self._before).contiguous(memory_format=layout(x))

    def _behind(self, x: Tensor, where: Tensor) -> Tensor:
        return torch.lerp(x, self._paint(x, where, 0), self.background[where] * (1 - matte(x)))

    def _before(self, x: Tensor, where: Tensor) -> Tensor:
        return torch.lerp(x, self._paint(x, where, 1), self._cover(x, where))

    def _paint(self, x: Tensor, where: Tensor, which: int) -> Tensor:
        """Content of the background (`which` 0) or the occluder (1), with the shape of x."""
        if self.pictures is not None:
            return self.pictures[self.taken[which, where]].to(x.device)
        laid = patches(self.planes, self.laid[which][:, where], x)
        return laid.mul_(self.contrast[which, where]).add_(self.colour[which, where]).clamp_(0, 1)

    def _cover(self, x: Tensor, where: Tensor) -> Tensor:
        """(N, 1, H, W) float32: 1 inside the occluder, 0 outside, with a transition of one pixel."""
        height, width = x.shape[2:]
        at_x, at_y, thin, turn, kind = self.shape[where].view(-1, 5, 1, 1).unbind(1)
        half = (self.size[where] * min(height, width) / 2).view(-1, 1, 1)
        right = torch.arange(width, device=x.device) + 0.5 - at_x * width
        down = torch.arange(height, device=x.device).view(-1, 1) + 0.5 - at_y * height
        cos, sin = (turn * math.pi).cos(), (turn * math.pi).sin()
        along, across = (right * cos + down * sin).abs(), (down * cos - right * sin).abs()
        small = half * (0.3 + 0.7 * thin)
        box = 1 - torch.maximum(along / half, across / small)
        disc = 1 - ((along / half).square() + (across / small).square()).sqrt()
        inside = torch.where(kind < 0.5, disc, box) * small  # approximate distance from the edge in pixels
        return (inside + 0.5).clamp(0, 1).unsqueeze(1)


def matte(x: Tensor) -> Tensor:
    """(N, 1, H, W) float32 in 0..1: opacity of the object in each pixel of x (N, C, H, W), on a uniform background.

    The background colour is the median colour of the image border. A pixel is object only if its distance from this
    colour is at least half of the largest distance.
    """
    border = torch.cat([x[:, :, 0], x[:, :, -1], x[:, :, :, 0], x[:, :, :, -1]], 2)
    apart = (x - border.median(2).values[..., None, None]).abs().amax(1, keepdim=True)
    return (apart / (SOLID * apart.amax((2, 3), keepdim=True)).clamp(min=1e-3)).clamp(max=1)
