"""Texture: random filters and random channel statistics, which change the texture and keep the shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from .sampling import Rows, Selection, apply_where, kept, to_device
from .warp import layout

LARGEST = 7  # side of the filters in pixels; smaller filters are padded with zeros
FILTERS = 8  # filters per batch


@dataclass(frozen=True)
class Texture:
    """A texture for each of N images. Build it with `sample`.

    The changed images use the filters in turn, so that one convolution handles many images.

    Args:
        amount: (N, 1, 1, 1) float32 in 0..1, weight of the filtered image and of the new statistics.
        weights: (F, C, C, 7, 7) float32, the filters. Their sides are 1, 3, 5 and 7 in turn.
        mean, std: (N, C, 1, 1) float32, the new statistics of each channel.
        before: number of changed images before these in their batch, which have taken the first turns.
    """

    amount: Tensor
    weights: Tensor
    mean: Tensor
    std: Tensor
    before: int = 0

    @classmethod
    def sample(
        cls,
        n: int,
        channels: int,
        *,
        texture: float,
        generator: torch.Generator,
        device: torch.device | str | None = None,
        chosen: Selection | None = None,
    ) -> Texture:
        """Sample textures for n images of `channels`.

        Args:
            texture: largest amount, 0..1. Each amount is uniform between 0 and it.
            generator: generator of all random values.
            device: device of the texture; None for the device of the generator.
            chosen: the images that it changes, under the name `texture`.

        Raises:
            InputError: `texture` is outside 0..1.
        """
        if not 0 <= texture <= 1:
            raise InputError(f"texture={texture}: expected 0 to 1, the weight of the filtered image")
        amount = texture * torch.rand(n, generator=generator, device=generator.device)
        mean, std = random_statistics(n, channels, generator)
        sampled = cls(
            kept(amount, chosen, "texture").view(n, 1, 1, 1),
            filters(FILTERS, channels, generator),
            mean[..., None, None],
            std[..., None, None],
        )
        return sampled if device is None else to_device(sampled, device)

    def part(self, rows: Rows) -> Texture:
        """The textures of some images of the batch."""
        own = {name: rows.taken(getattr(self, name)) for name in ("amount", "mean", "std")}
        return replace(self, **own, before=int((self.amount[: rows.start] > 0).sum()))

    def image(self, x: Tensor) -> Tensor:
        """Apply the textures to images x (N, C, H, W) float32 in 0..1. Shape, range and memory format do not change."""
        return apply_where(x, self.amount, self._image).contiguous(memory_format=layout(x))

    def _image(self, x: Tensor, where: Tensor) -> Tensor:
        y = torch.empty_like(x)
        amount, mean, std = self.amount[where], self.mean[where], self.std[where]
        for turn in range(min(len(x), len(self.weights))):
            i = (self.before + turn) % len(self.weights)
            weights, own = self.weights[i], slice(turn, None, len(self.weights))
            out = LARGEST // 2 - i % 4  # rings of zeros around this filter
            small = weights[..., out : LARGEST - out, out : LARGEST - out]
            y[own] = restyled(
                x[own],
                lambda z, w=small: F.conv2d(_padded(z, w.shape[-1] // 2), w),  # type: ignore[misc]
                amount[own],
                mean[own],
                std[own],
                amount[own],
            )
        return y.clamp_(0, 1)


def restyled(
    x: Tensor, through: Callable[[Tensor], Tensor], blend: Tensor, mean: Tensor, std: Tensor, share: Tensor | float
) -> Tensor:
    """Blend images x (B, C, H, W) with their filtered versions, then change the statistics of each channel.

    Args:
        through: the filter. It gets images with mean 0.
        blend: (B, 1, 1, 1) in 0..1, weight of the filtered image.
        mean, std: (B, C, 1, 1), the new statistics.
        share: 0..1, interpolation from the original statistics (0) to the new ones (1).
    """
    own_mean, own_std = moments(x)
    apart = x - own_mean
    seen = standard((1 - blend) / (own_std + 1e-3) * apart + blend * standard(through(apart)))
    return seen * torch.lerp(own_std, std, share) + torch.lerp(own_mean, mean, share)


def random_statistics(count: int, channels: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random means in 0.2..0.8 and standard deviations in 0.1..0.3, (count, channels) each."""
    mean = 0.2 + 0.6 * torch.rand(count, channels, generator=generator, device=generator.device)
    return mean, 0.1 + 0.2 * torch.rand(count, channels, generator=generator, device=generator.device)


def filters(count: int, channels: int, generator: torch.Generator) -> Tensor:
    """Random filters (count, channels, channels, 7, 7) with normal weights. Their sides are 1, 3, 5 and 7 in turn."""
    device = generator.device
    weights = torch.randn(count, channels, channels, LARGEST, LARGEST, generator=generator, device=device)
    away = (torch.arange(LARGEST, device=device) - LARGEST // 2).abs()
    reach = torch.maximum(away[:, None], away)
    return weights * (reach <= (torch.arange(count, device=device) % 4).view(-1, 1, 1, 1, 1))


def filtered(x: Tensor, weights: Tensor) -> Tensor:
    """Filter each image (B, C, H, W) with its own filter (B, C, C, 7, 7). Borders are mirrored; small ones repeated."""
    padded = _padded(x, LARGEST // 2)
    together = padded.reshape(1, -1, *padded.shape[2:])
    return F.conv2d(together, weights.flatten(0, 1), groups=len(x)).view(x.shape)


def standard(x: Tensor) -> Tensor:
    """Scale each channel of each image to mean 0 and standard deviation 1. A constant channel becomes 0."""
    mean, std = moments(x)
    return (x - mean).div_(std + 1e-3)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (N, C, 1, 1) of each channel. It is several times as fast as `torch.std_mean`."""
    mean = x.mean((2, 3), keepdim=True)
    length = torch.linalg.vector_norm(x - mean, dim=(2, 3), keepdim=True)
    return mean, length / (x.shape[2] * x.shape[3]) ** 0.5


def _padded(x: Tensor, by: int) -> Tensor:
    return F.pad(x, (by,) * 4, mode="reflect" if min(x.shape[2:]) > by else "replicate") if by else x
