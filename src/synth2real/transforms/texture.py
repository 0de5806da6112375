"""Texture: images seen through random filters and given other statistics, so that their shapes alone are left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from .sampling import Selection, apply_where, kept, to_device
from .warp import layout

LARGEST = 7  # side of the filters, pixels; smaller ones stand in their middle
FILTERS = 8  # of a batch


@dataclass(frozen=True)
class Texture:
    """A texture for each of N images; build one with `sample`.

    The images of a batch take its few filters in turn: one convolution for many images, in place of one for each.

    Args:
        amount: (N, 1, 1, 1) float32 in 0..1, share of the filtered image and of the new statistics.
        weights: (F, C, C, 7, 7) float32, the filters, of sides 1, 3, 5 and 7 in turn.
        mean, std: (N, C, 1, 1) float32, towards which each channel's statistics are moved.
    """

    amount: Tensor
    weights: Tensor
    mean: Tensor
    std: Tensor

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
        """Draw textures for n images of `channels`.

        Args:
            texture: greatest amount, 0..1; each is drawn uniformly below it.
            generator: source of all draws.
            device: of the texture; the generator's where None.
            chosen: the images it acts on, under the name `texture`.

        Raises:
            InputError: `texture` is outside 0..1.
        """
        if not 0 <= texture <= 1:
            raise InputError(f"texture={texture}: expected 0 to 1, a share of the filtered image")
        amount = texture * torch.rand(n, generator=generator, device=generator.device)
        mean, std = random_statistics(n, channels, generator)
        drawn = cls(
            kept(amount, chosen, "texture").view(n, 1, 1, 1),
            filters(FILTERS, channels, generator),
            mean[..., None, None],
            std[..., None, None],
        )
        return drawn if device is None else to_device(drawn, device)

    def image(self, x: Tensor) -> Tensor:
        """Images x (N, C, H, W) float32 in 0..1 in other textures, into the same shape, range and memory format."""
        return apply_where(x, self.amount, self._image).contiguous(memory_format=layout(x))

    def _image(self, x: Tensor, where: Tensor) -> Tensor:
        y = torch.empty_like(x)
        amount, mean, std = self.amount[where], self.mean[where], self.std[where]
        for i, weights in enumerate(self.weights[: len(x)]):
            own, out = slice(i, None, len(self.weights)), LARGEST // 2 - i % 4  # rings of this filter that are 0
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
    """Images x (B, C, H, W) blended with themselves filtered, whose statistics then move towards others.

    Args:
        through: the filter, of images whose mean is 0.
        blend: (B, 1, 1, 1) in 0..1, share of the filtered image.
        mean, std: (B, C, 1, 1), the other statistics.
        share: of the way towards them, 0..1.
    """
    own_mean, own_std = moments(x)
    apart = x - own_mean
    seen = standard((1 - blend) / (own_std + 1e-3) * apart + blend * standard(through(apart)))
    return seen * torch.lerp(own_std, std, share) + torch.lerp(own_mean, mean, share)


def random_statistics(count: int, channels: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Means and deviations (count, channels) of images that are neither black nor white nor flat."""
    mean = 0.2 + 0.6 * torch.rand(count, channels, generator=generator, device=generator.device)
    return mean, 0.1 + 0.2 * torch.rand(count, channels, generator=generator, device=generator.device)


def filters(count: int, channels: int, generator: torch.Generator) -> Tensor:
    """Random filters (count, channels, channels, 7, 7) of sides 1, 3, 5 and 7 in turn, normal weights."""
    device = generator.device
    weights = torch.randn(count, channels, channels, LARGEST, LARGEST, generator=generator, device=device)
    away = (torch.arange(LARGEST, device=device) - LARGEST // 2).abs()
    reach = torch.maximum(away[:, None], away)
    return weights * (reach <= (torch.arange(count, device=device) % 4).view(-1, 1, 1, 1, 1))


def filtered(x: Tensor, weights: Tensor) -> Tensor:
    """Each image (B, C, H, W) through its own filter (B, C, C, 7, 7), borders mirrored where it is large enough."""
    padded = _padded(x, LARGEST // 2)
    together = padded.reshape(1, -1, *padded.shape[2:])
    return F.conv2d(together, weights.flatten(0, 1), groups=len(x)).view(x.shape)


def standard(x: Tensor) -> Tensor:
    """Each channel of each image to mean 0 and deviation 1; a flat one stays flat."""
    mean, std = moments(x)
    return (x - mean).div_(std + 1e-3)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (N, C, 1, 1) of each channel of each image; several times as fast as `torch.std_mean`."""
    mean = x.mean((2, 3), keepdim=True)
    length = torch.linalg.vector_norm(x - mean, dim=(2, 3), keepdim=True)
    return mean, length / (x.shape[2] * x.shape[3]) ** 0.5


def _padded(x: Tensor, by: int) -> Tensor:
    return F.pad(x, (by,) * 4, mode="reflect" if min(x.shape[2:]) > by else "replicate") if by else x
