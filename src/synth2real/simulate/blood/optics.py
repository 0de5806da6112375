"""Optics: the light that the stains leave, the lens, and the camera."""

from __future__ import annotations

import torch
from torch import Tensor

from ..scene.camera import blur, luminance
from ..scene.fields import smooth_noise, vignette
from .cells import Stains
from .layout import Values

# Density in red and blue light, per that in green.
BLUE, EOSIN, GREY = (1.15, 0.25), (0.15, 0.55), (1.05, 0.95)
FULL = 255  # grey level at which the camera is saturated
OVERSHOOT = 0.5  # µm, width of the rims at edges


def transmitted(stains: Stains, values: Values) -> Tensor:
    """Share of the light (N, 3, H, W) that passes: densities add up, and light falls exponentially (Beer, Lambert)."""
    found = []
    for channel in (0, None, 1):
        density = torch.zeros_like(stains.red)
        for name, per in (
            ("red", ("red_in_red", "red_in_blue")), ("violet", ("nucleus_in_red", "nucleus_in_blue")),
            ("blue", BLUE), ("eosin", EOSIN), ("grey", GREY),
        ):  # fmt: skip
            ratio = 1.0 if channel is None else per[channel]
            factor = values[ratio][:, None, None] if isinstance(ratio, str) else ratio
            density.addcmul_(getattr(stains, name), torch.as_tensor(factor))
        found.append(density)
    return torch.stack(found, 1).neg_().exp_()


def lamp(values: Values, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Light of the lamp (N, 3, H, W) in grey levels."""
    n = len(values["light"])
    colour = torch.stack([1 + values["warmth"], torch.ones(n), 1 + values["coolness"]], 1) * values["light"][:, None]
    fall = vignette(values["vignette"], size, generator)
    uneven = (
        smooth_noise(3 * n, (2, 3), size, generator).view(n, 3, *size)
        + smooth_noise(n, (3, 3), size, generator)[:, None]
    )
    return (1 + uneven * values["gradient"][:, None, None, None] * 0.5) * fall[:, None] * colour[:, :, None, None]


def seen(light: Tensor, values: Values, pixel: Tensor, generator: torch.Generator) -> Tensor:
    """The light (N, 3, H, W) through the lens: blurred, shifted between colours, with overshoot at edges."""
    n, _, height, width = light.shape
    angle = 6.28 * torch.rand(n, generator=generator)
    towards = torch.stack([angle.sin(), angle.cos()], 1) * (values["chromatic"] / pixel)[:, None]
    shift = (torch.tensor([0.5, 0.0, -0.5])[:, None] * towards[:, None]).flatten(0, 1)
    flat, sigma = light.reshape(3 * n, 1, height, width), (values["blur"] / pixel).repeat_interleave(3)
    sharp = blur(flat, sigma, shift).view(n, 3, height, width)
    over = (OVERSHOOT / pixel).repeat_interleave(3)
    wide = blur(sharp.reshape(3 * n, 1, height, width), over).view(n, 3, height, width)
    return sharp + (sharp - wide).mul_(values["fringe"][:, None, None, None])


def photograph(light: Tensor, values: Values, channels: int, generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W) in 0..1 of light (N, 3, H, W) in grey levels."""
    if channels == 1:
        light = luminance(light)
    noise = torch.randn(light.shape, generator=generator).mul_(values["noise"][:, None, None, None])
    return (light + noise).div_(FULL).clamp_(0, 1)
