"""What images are compared by: numbers of one image each, which say much about the parameters that made it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import to_float

SIDE = 16  # images are compared at most this large: a kernel sees no more in finer pixels, and is slower
LEVELS = (0.02, 0.06, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98)  # of grey, whose shares are counted
SLOPES = (0.01, 0.03, 0.06, 0.1, 0.15, 0.22, 0.3, 0.4, 0.55, 0.75, 1.0)  # of the gradient, a pixel


def describe(images: Tensor) -> Tensor:
    """What two samples of images are compared by: (N, F) float32 of pixels and of their local contrast.

    Args:
        images: (N, C, H, W) uint8 or float32 in 0..1.
    """
    x = to_float(images)
    edges = torch.stack([x.diff(dim=3).abs().mean((2, 3)), x.diff(dim=2).abs().mean((2, 3))], 1).flatten(1)
    levels = torch.quantile(x.flatten(2), torch.linspace(0, 1, 9), dim=2).permute(1, 0, 2).flatten(1)
    # Each group is scaled so that one image's contrast, its histogram and its pixels count about alike.
    return torch.cat([_reduced(x), 8 * edges, levels], dim=1)


def measure(images: Tensor) -> Tensor:
    """Pixels, and what parameters of size, place, turn, sharpness and tone move: (N, F) float32, differentiable.

    Shares of grey levels and of slopes, energies at five scales, the structure tensor and its spread over the
    image, and mass, centre and second moments of the intensity.

    Args:
        images: (N, C, H, W) uint8 or float32 in 0..1.
    """
    x = to_float(images).contiguous()
    grey = x.mean(1)
    across, down = grey.diff(dim=2)[:, :-1], grey.diff(dim=1)[:, :, :-1]
    slope = (across.square() + down.square() + 1e-8).sqrt()
    groups = [
        _reduced(x),
        torch.cat([_above(x[:, i], LEVELS) for i in range(x.shape[1])], 1),
        _above(slope, SLOPES),
        *_energies(grey),
        torch.stack([z.mean((1, 2)) for z in (across.square(), down.square(), across * down)], 1),
        _moments(grey),
    ]
    return torch.cat(groups, 1)


def _reduced(x: Tensor) -> Tensor:
    """The pixels, reduced by area to at most `SIDE` a side, (N, F)."""
    if max(x.shape[2:]) > SIDE:
        x = F.interpolate(x, (min(SIDE, x.shape[2]), min(SIDE, x.shape[3])), mode="area")
    return x.flatten(1)


def _above(x: Tensor, edges: tuple[float, ...]) -> Tensor:
    """Shares of (N, H, W) above each of the edges, (N, K); an edge is as soft as it is far from the one before it."""
    found, before = [], 0.0
    for edge in edges:
        found.append(((x - before) / (edge - before)).clamp(0, 1).mean((1, 2)))
        before = edge
    return torch.stack(found, 1)


def _energies(grey: Tensor) -> list[Tensor]:
    """Roots of the mean squares of what each halving of the resolution takes away, (N, 1) each, finest first."""
    now = grey[:, None]
    found: list[Tensor] = []
    while min(now.shape[2:]) >= 4 and len(found) < 5:
        smooth = F.avg_pool2d(F.pad(now, (1, 1, 1, 1), mode="replicate"), 3, 1)
        found.append(((now - smooth).square().mean((1, 2, 3)) + 1e-8).sqrt()[:, None])
        now = F.avg_pool2d(now, 2)
    return found


def _moments(grey: Tensor) -> Tensor:
    """Mean, deviation, centre and second moments of the intensity, lengths in sides of the image: (N, 7)."""
    height, width = grey.shape[1:]
    y = ((torch.arange(height, device=grey.device) + 0.5) / height - 0.5)[:, None]
    x = (torch.arange(width, device=grey.device) + 0.5) / width - 0.5
    mass = grey.mean((1, 2))
    weight = grey / (mass[:, None, None] + 1e-3)
    cx, cy = (weight * x).mean((1, 2)), (weight * y).mean((1, 2))
    from_x, from_y = x - cx[:, None, None], y - cy[:, None, None]
    second = [(weight * a * b).mean((1, 2)) for a, b in ((from_x, from_x), (from_y, from_y), (from_x, from_y))]
    return torch.stack([mass, (grey.var((1, 2)) + 1e-8).sqrt(), cx, cy, *second], 1)
