"""Building blocks of rendered scenes: random values, smooth noise, vignettes, and the profile of a soft spot."""

import torch
import torch.nn.functional as F
from torch import Tensor


def bell(x: Tensor, sigma: Tensor | float) -> Tensor:
    """Approximates exp(-x^2 / 2 sigma^2); 0 beyond 2.8 sigma. Several times faster, without denormal numbers."""
    return (x / sigma).square_().mul_(-0.125).add_(1).clamp_(min=0).square_().square_()


def draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform random values in 0..1."""
    return torch.rand(shape, generator=generator, device=generator.device)


def smooth_noise(n: int, points: tuple[int, int], size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """(N, H, W), standard normal at the grid `points`, with linear interpolation between them."""
    noise = torch.randn((n, 1, *points), generator=generator, device=generator.device)
    return F.interpolate(noise, size, mode="bilinear", align_corners=True)[:, 0]


def vignette(loss: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Factor (N, H, W) on all light: it falls by `loss` (N,) in the corners, around a centre that may lie aside."""
    middle = draw((2, len(loss), 1), generator) - 0.5
    y, x = (torch.linspace(-1, 1, side)[None] - shift for side, shift in zip(size, middle, strict=True))
    squared = y.square()[:, :, None] + x.square()[:, None]
    factor: Tensor = (1 - squared * (loss[:, None, None] / 2)).clamp(min=0)
    return factor
