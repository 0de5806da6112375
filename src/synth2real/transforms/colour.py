"""Colour spaces on batches: sRGB to CIE Lab and back."""

from __future__ import annotations

import torch
from torch import Tensor

TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)  # D65, 2 degrees
KNEE, SLOPE, OFFSET = 0.008856, 7.787, 4 / 29  # the linear part that replaces the cube root for small values


def to_lab(rgb: Tensor) -> Tensor:
    """sRGB images (N, 3, H, W) float32 in 0..1 to CIE Lab: L in 0..100, a and b in about -100..100."""
    linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = _mix(linear, _matrix(rgb)) / _column(WHITE, rgb)
    x, y, z = torch.where(xyz > KNEE, xyz.clamp(min=KNEE) ** (1 / 3), SLOPE * xyz + OFFSET).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def to_rgb(lab: Tensor) -> Tensor:
    """CIE Lab (N, 3, H, W) to sRGB in 0..1. Colours outside the sRGB gamut are clipped."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, (y - b / 200).clamp(min=0)], 1)
    xyz = torch.where(f > KNEE ** (1 / 3), f**3, (f - OFFSET) / SLOPE) * _column(WHITE, lab)
    linear = _mix(xyz, torch.linalg.inv(_matrix(lab))).clamp(0, 1)
    return torch.where(linear > 0.0031308, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055, 12.92 * linear)


def _matrix(like: Tensor) -> Tensor:
    return torch.tensor(TO_XYZ, dtype=like.dtype, device=like.device)


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, -1, 1, 1)


def _mix(x: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("oc,nchw->nohw", matrix, x)
