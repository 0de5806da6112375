"""Building blocks of rendered scenes: random values, smooth noise, and the profile of a soft spot."""

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
