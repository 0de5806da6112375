"""Scene: what stands behind and before an object: backgrounds and things in the way, procedural or from pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from .photometric import patches, pattern, windows
from .sampling import Selection, apply_where, check_fractions, kept, to_device
from .warp import layout

SOLID = 0.5  # share of the greatest distance from the border's colour from which on a pixel is all object


@dataclass(frozen=True)
class Amplitudes:
    """Greatest changes that a scene is drawn within; 0 leaves an operation out.

    Args:
        background: 0..1, how far what has the colour of the image's border gives way to a background.
        occluder: largest diameter of a thing in the way, fraction of the frame, at most 1.

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
    """A background and an occluder for each of N images; build one with `sample`.

    Args:
        background: (N, 1, 1, 1) float32 in 0..1.
        size: (N,) float32, larger diameter of the occluder, fraction of the frame.
        shape: (N, 5) float32 in 0..1, of the occluder: place x and y, smaller diameter as a share of the larger one,
            turn (of half a circle), and whether it is round (below 1/2) or a box.
        pictures: (P, C, H, W) float32 in 0..1, what both are painted with; None for a procedural pattern.
        taken: (2, N) int64, which of them, for the background and the occluder.
        planes: (Q, 2 H, 2 W) float32, of the pattern; empty with pictures.
        laid: (2, 3, N, C) int64, the pieces of it, as `tint.windows`.
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
        """Draw scenes for n images of `channels` and `size` (H, W), each value uniformly within its range.

        Args:
            pictures: (P, C, H, W) float32 in 0..1, such as real photographs; a smooth pattern in colours where None.
            generator: source of all draws.
            device: of the scene; the generator's where None.
            chosen: the images that each operation acts on.
            amplitudes: fields of `Amplitudes`; those left out are 0.

        Raises:
            InputError: `background` or `occluder` is outside 0..1; pictures of other channels or size.
        """
        most, where = Amplitudes(**amplitudes), generator.device
        if pictures is not None and tuple(pictures.shape[1:]) != (channels, *size):
            found = tuple(pictures.shape)
            raise InputError(
                f"pictures of shape {found}: expected (P, {channels}, {size[0]}, {size[1]}), as the images"
            )
        draws = torch.rand(n, 7, generator=generator, device=where)
        count = 1 if pictures is None else len(pictures)
        drawn = cls(
            background=kept(most.background * draws[:, 0], chosen, "background").view(n, 1, 1, 1),
            size=kept(most.occluder * draws[:, 1], chosen, "occluder"),
            shape=draws[:, 2:],
            pictures=pictures,
            taken=torch.randint(count, (2, n), generator=generator, device=where),
            planes=pattern(size, generator) if pictures is None else torch.empty(0, 1, 1, device=where),
            laid=torch.stack([windows(n, channels, size, generator) for _ in range(2)]),
            colour=torch.rand(2, n, channels, 1, 1, generator=generator, device=where),
            contrast=0.3 * torch.rand(2, n, 1, 1, 1, generator=generator, device=where),
        )
        return drawn if device is None else to_device(drawn, device)

    def image(self, x: Tensor) -> Tensor:
        """Images x (N, C, H, W) float32 in 0..1 in their scenes, into the same shape, range and memory format."""
        y = apply_where(x, self.background, self._behind)
        return apply_where(y, self.size, self._before).contiguous(memory_format=layout(x))

    def _behind(self, x: Tensor, where: Tensor) -> Tensor:
        return torch.lerp(x, self._paint(x, where, 0), self.background[where] * (1 - matte(x)))

    def _before(self, x: Tensor, where: Tensor) -> Tensor:
        return torch.lerp(x, self._paint(x, where, 1), self._cover(x, where))

    def _paint(self, x: Tensor, where: Tensor, which: int) -> Tensor:
        """What is painted with, of the shape of x."""
        if self.pictures is not None:
            return self.pictures[self.taken[which, where]].to(x.device)
        laid = patches(self.planes, self.laid[which][:, where], x)
        return laid.mul_(self.contrast[which, where]).add_(self.colour[which, where]).clamp_(0, 1)

    def _cover(self, x: Tensor, where: Tensor) -> Tensor:
        """(N, 1, H, W) float32: 1 where the occluder is, 0 where it is not, between them over one pixel."""
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
        inside = torch.where(kind < 0.5, disc, box) * small  # pixels from the edge, about
        return (inside + 0.5).clamp(0, 1).unsqueeze(1)


def matte(x: Tensor) -> Tensor:
    """(N, 1, H, W) float32 in 0..1: how far each pixel of x (N, C, H, W) belongs to an object before an even ground.

    The ground is what has the median colour of the image's border; half of the greatest distance from it is all object.
    """
    border = torch.cat([x[:, :, 0], x[:, :, -1], x[:, :, :, 0], x[:, :, :, -1]], 2)
    apart = (x - border.median(2).values[..., None, None]).abs().amax(1, keepdim=True)
    return (apart / (SOLID * apart.amax((2, 3), keepdim=True)).clamp(min=1e-3)).clamp(max=1)
