"""Surroundings: all light that has no label: cells, fibres, nuclei far out of focus, specks, bubbles, stray light.

What is faint and soft is drawn at half the resolution, and stray light at a quarter.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..blobs import Blobs, drawn, noise_at, pixels, summed
from ..scene.camera import blur
from ..scene.fields import bell, draw, smooth_noise
from .layout import Layout, Values

FAR, SPECKS, RINGS = 60, 60, 8  # most in an image
COARSE = 4  # pixels of the image per pixel of the stray light
FIBRE = (60.0, 6.0)  # µm along and across, over which fibres vary


def soft(layout: Layout, values: Values, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Light (N, H, W) of the cells, of fibres, and of nuclei far out of focus."""
    n, half = len(values["field"]), (-(-size[0] // 2), -(-size[1] // 2))
    light = torch.zeros(n, *half)
    for blobs in (
        _bodies(layout, values),
        _processes(layout, values),
        _far(layout, values, size, generator),
    ):
        light += drawn(blobs.scaled(0.5), (n, *half))
    light += _fibres(layout, values, half, generator)
    return F.interpolate(light[:, None], (2 * half[0], 2 * half[1]), mode="bilinear")[:, 0, : size[0], : size[1]]


def small(layout: Layout, values: Values, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Light (N, H, W) of specks and of the rims of bubbles."""
    return _specks(layout, values, size, generator) + _rings(layout, values, size, generator)


def stray(light: Tensor, layout: Layout, values: Values) -> Tensor:
    """Light of images (N, H, W), of which a share is spread widely."""
    height, width = light.shape[1:]
    coarse = (-(-height // COARSE), -(-width // COARSE))
    wide = blur(F.interpolate(light[:, None], coarse, mode="area"), values["halo_width"] / layout.pixel / COARSE)
    halo = values["halo"][:, None, None]
    return torch.lerp(light, F.interpolate(wide, (height, width), mode="bilinear")[:, 0], halo)


def glow(values: Values, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Light (N, H, W) of the background."""
    n = len(values["field"])
    uneven = smooth_noise(n, (3, 3), size, generator).mul_(values["unevenness"][:, None, None]).add_(1).clamp_(0, 3)
    return uneven.mul_((values["glow"] * values["brightness"])[:, None, None])


def _bodies(layout: Layout, values: Values) -> Blobs:
    """The cells around the nuclei: wide, faint and soft."""
    nuclei = layout.nuclei
    longer, wider, more = layout.chance["body"].T
    short = nuclei.short * (1.3 + 1.2 * wider)
    light = nuclei.light * values["cytoplasm"][nuclei.image] * 2 * more
    return replace(nuclei, long=nuclei.long * (1.3 + 2 * longer), short=short, edge=short, light=light)


def _processes(layout: Layout, values: Values) -> Blobs:
    """Thin processes of some cells, to one side of the nucleus."""
    chosen = layout.chance["process"][:, 0] < values["processes"][layout.nuclei.image]
    cells, (_, side, length, width, more, bent) = layout.nuclei[chosen], layout.chance["process"][chosen].T
    long = cells.long * (0.8 + 2 * length)
    angle = cells.angle + 0.5 * (bent - 0.5)
    shift = torch.where(side < 0.5, -1.0, 1.0) * (0.6 * cells.long + 0.8 * long)
    short = cells.short * (0.12 + 0.3 * width)
    return replace(
        cells,
        x=cells.x + shift * angle.cos(),
        y=cells.y + shift * angle.sin(),
        long=long,
        short=short,
        angle=angle,
        edge=1 + short,
        light=cells.light * values["cytoplasm"][cells.image] * 3 * more,
        bend=4 * (bent - 0.5),
        waves=torch.zeros_like(cells.waves),
    )


def _far(layout: Layout, values: Values, size: tuple[int, int], generator: torch.Generator) -> Blobs:
    """Nuclei far out of focus: wide and faint."""
    n = len(values["field"])
    some, (x, y, sized, longer, angle, more) = draw((n,), generator), draw((6, n, FAR), generator)
    expected = values["far"] * torch.bincount(layout.nuclei.image, minlength=n)
    taken = torch.arange(FAR) < (expected + some * (values["far"] > 0)).floor()[:, None]
    image = taken.nonzero()[:, 0]
    radius = (values["diameter"] / layout.pixel / 2)[image] * (0.8 + 0.4 * sized[taken])
    stretch = 1 + 0.3 * longer[taken]
    blobs = Blobs.round(
        image,
        x[taken] * size[1],
        y[taken] * size[0],
        radius,
        edge=1 + (values["far_width"] / layout.pixel)[image],
        light=(values["brightness"] * values["far_light"])[image] * 2 * more[taken],
    )
    return replace(blobs, long=radius * stretch, short=radius / stretch, angle=math.pi * angle[taken])


def _fibres(layout: Layout, values: Values, half: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Light (N, H/2, W/2) of fibres along the direction of the nuclei: where a smooth noise crosses zero."""
    n = len(values["field"])
    shift, sharp = draw((2, n, 1, 1), generator) * 64, 0.05 + 0.3 * draw((n, 1, 1), generator)
    pixel, turn = 2 * layout.pixel[:, None, None], layout.direction[:, None, None]
    y, x = torch.arange(half[0])[:, None] * pixel, torch.arange(half[1]) * pixel
    cos, sin = turn.cos(), turn.sin()
    along, across = (x * cos + y * sin) / FIBRE[0], (y * cos - x * sin) / FIBRE[1]
    winding = smooth_noise(n, (5, 5), half, generator)
    noise = noise_at(along + shift[0], across + winding + shift[1])
    patches = smooth_noise(n, (4, 4), half, generator).clamp_(min=0)
    return bell(noise, sharp).mul_(patches).mul_((values["fibres"] * values["brightness"])[:, None, None])


def _specks(layout: Layout, values: Values, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Light of specks. In half of the images they lie together, like the fragments of a dead cell."""
    n = len(values["field"])
    together, middle_x, middle_y, some = draw((4, n, 1), generator)
    x, y, sized, more = draw((4, n, SPECKS), generator)
    near = (values["diameter"] / layout.pixel)[:, None] * 1.5
    x, y = (
        torch.where(together < 0.5, place * side, middle * side + (place - 0.5) * near)
        for place, middle, side in ((x, middle_x, size[1]), (y, middle_y, size[0]))
    )
    taken = torch.arange(SPECKS) < (values["specks"] + some[:, 0] - 0.5).round()[:, None]
    image = taken.nonzero()[:, 0]
    radius = (values["speck"] / layout.pixel / 2)[image] * (0.4 + sized[taken])
    light = (values["speck_light"] * values["brightness"])[image] * 1.5 * more[taken]
    edge = 1 + 0.5 * radius
    # A speck below the size of a pixel is drawn as large as one, with as much less light.
    wide = radius.clamp(min=0.5)
    blobs = Blobs.round(image, x[taken], y[taken], wide, edge, light * (radius / wide).square())
    return drawn(blobs, (n, *size))


def _rings(layout: Layout, values: Values, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Light of bubbles, which is brightest on one side of their rim."""
    n = len(values["field"])
    some, (x, y, sized, thin, side) = draw((n,), generator), draw((5, n, RINGS), generator)
    taken = torch.arange(RINGS) < (values["rings"] + some * (values["rings"] > 0)).floor()[:, None]
    image = taken.nonzero()[:, 0]
    radius = (values["diameter"] / layout.pixel)[image] * (0.3 + sized[taken])
    width = (0.06 + 0.15 * thin[taken]) * radius + 0.6
    light = (values["ring_light"] * values["brightness"])[image]
    blobs = Blobs.round(image, x[taken] * size[1], y[taken] * size[0], radius, 6 * width, light)
    at = pixels(blobs, size)
    lit = (
        torch.cos(2 * math.pi * side[taken])[at.blob] * at.along
        + torch.sin(2 * math.pi * side[taken])[at.blob] * at.across
    )
    lit = (lit / radius[at.blob]).add_(1).clamp_(0.2, 2)
    return summed(bell(at.depth, width[at.blob]).mul_(lit).mul_(light[at.blob]), at.place, (n, *size))
