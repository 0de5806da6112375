"""Image statistics for the comparison of images. They depend strongly on the parameters of the simulator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import to_float

SIDE = 16  # maximum side of compared images; with more pixels, a kernel distance is slower and not more sensitive
LEVELS = (0.02, 0.06, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98)  # grey level thresholds
SLOPES = (0.01, 0.03, 0.06, 0.1, 0.15, 0.22, 0.3, 0.4, 0.55, 0.75, 1.0)  # gradient thresholds, per pixel


def describe(images: Tensor) -> Tensor:
    """Features for distances between two sets of images: (N, F) float32, from pixels and their local contrast.

    Args:
        images: (N, C, H, W) uint8 or float32 in 0..1.
    """
    x = to_float(images)
    edges = torch.stack([x.diff(dim=3).abs().mean((2, 3)), x.diff(dim=2).abs().mean((2, 3))], 1).flatten(1)
    levels = torch.quantile(x.flatten(2), torch.linspace(0, 1, 9), dim=2).permute(1, 0, 2).flatten(1)
    # The scale gives contrast, grey level quantiles and pixels about the same weight.
    return torch.cat([_reduced(x), 8 * edges, levels], dim=1)


def measure(images: Tensor) -> Tensor:
    """Pixels and statistics that depend on size, position, rotation, sharpness and tone: (N, F) float32.

    They are differentiable. The statistics are shares of grey levels and slopes, energies at up to five scales, the
    structure tensor, and mass, standard deviation, centre and second moments of the intensity.

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
    """The pixels (N, F), after area averaging to at most `SIDE` by `SIDE`."""
    if max(x.shape[2:]) > SIDE:
        x = F.interpolate(x, (min(SIDE, x.shape[2]), min(SIDE, x.shape[3])), mode="area")
    return x.flatten(1)


def _above(x: Tensor, edges: tuple[float, ...]) -> Tensor:
    """Shares (N, K) of the values (N, H, W) above each threshold.

    Each threshold is soft: the share rises linearly from the threshold before it.
    """
    found, before = [], 0.0
    for edge in edges:
        found.append(((x - before) / (edge - before)).clamp(0, 1).mean((1, 2)))
        before = edge
    return torch.stack(found, 1)


def _energies(grey: Tensor) -> list[Tensor]:
    """Root mean square of the detail that each halving of the resolution removes, (N, 1) each, finest first."""
    now = grey[:, None]
    found: list[Tensor] = []
    while min(now.shape[2:]) >= 4 and len(found) < 5:
        smooth = F.avg_pool2d(F.pad(now, (1, 1, 1, 1), mode="replicate"), 3, 1)
        found.append(((now - smooth).square().mean((1, 2, 3)) + 1e-8).sqrt()[:, None])
        now = F.avg_pool2d(now, 2)
    return found


def _moments(grey: Tensor) -> Tensor:
    """Mean, standard deviation, centre and second moments of the intensity, (N, 7). Lengths are in image sides."""
    height, width = grey.shape[1:]
    y = ((torch.arange(height, device=grey.device) + 0.5) / height - 0.5)[:, None]
    x = (torch.arange(width, device=grey.device) + 0.5) / width - 0.5
    mass = grey.mean((1, 2))
    weight = grey / (mass[:, None, None] + 1e-3)
    cx, cy = (weight * x).mean((1, 2)), (weight * y).mean((1, 2))
    from_x, from_y = x - cx[:, None, None], y - cy[:, None, None]
    second = [(weight * a * b).mean((1, 2)) for a, b in ((from_x, from_x), (from_y, from_y), (from_x, from_y))]
    return torch.stack([mass, (grey.var((1, 2)) + 1e-8).sqrt(), cx, cy, *second], 1)
