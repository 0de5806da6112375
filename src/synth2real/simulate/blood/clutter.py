"""Clutter: what lies in a smear without a label: drops in red cells, dust, and specks."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..blobs import Blobs, drawn, pixels, summed
from ..scene.fields import bell, draw
from .cells import Shape, Stains
from .layout import TURN, Layout, Values

DUST, SPECKS = 30, 200  # most in an image
DROP = (0.3, 0.9)  # µm, least and largest radius of a drop


def drops(red: Layout, values: Values, stains: Stains) -> None:
    """Add drops in red cells, which gather the light: bright, with a dark violet rim."""
    shape: Shape = (stains.red.shape[0], stains.red.shape[1], stains.red.shape[2])
    chosen = red.chance["drop"][:, 0] < red.of(values, "refractile")
    cells, (_, distance, turned, size, long, angle, bright, dark) = red.cells[chosen], red.chance["drop"][chosen].T
    away = 0.75 * cells.short * distance.sqrt()
    radius = (DROP[0] + (DROP[1] - DROP[0]) * size.square()) / red.pixel[cells.image]
    stretch = (1 + long).sqrt()
    x, y = cells.x + away * (TURN * turned).cos(), cells.y + away * (TURN * turned).sin()
    round_ = Blobs.round(cells.image, x, y, radius, 1.5 * radius + 1, torch.ones_like(x))
    found = replace(round_, long=radius * stretch, short=radius / stretch, angle=TURN * angle)
    at = pixels(found, shape[1:])
    rim = bell(at.depth, (0.35 * radius + 0.3)[at.blob]).mul_((0.35 * dark)[at.blob])
    centre = bell(at.squared.sqrt(), 0.5).mul_((-0.5 * bright.square())[at.blob])
    stains.violet.add_(summed(rim, at.place, shape))
    stains.grey.add_(summed(centre, at.place, shape))


def dust(layout: Layout, values: Values, stains: Stains, generator: torch.Generator) -> None:
    """Add shadows of dust out of focus, and specks."""
    shape: Shape = (stains.red.shape[0], stains.red.shape[1], stains.red.shape[2])
    for name, most, least, largest, soft in (("dust", DUST, 0.4, 1.6, 2.0), ("specks", SPECKS, 0.12, 0.4, 1.0)):
        n = len(layout.pixel)
        some, (x, y, sized, longer, angle, more) = draw((n,), generator), draw((6, n, most), generator)
        taken = torch.arange(most) < (values[name] + some * (values[name] > 0)).floor()[:, None]
        image = taken.nonzero()[:, 0]
        radius = (least + (largest - least) * sized[taken]) / layout.pixel[image]
        wide = radius.clamp(min=0.6)  # below the size of a pixel: as large as one, with as much less density
        stretch = 1 + 0.5 * longer[taken]
        density = values["dust_density"][image] * (0.3 + more[taken]) * (radius / wide).square()
        blobs = Blobs.round(image, x[taken] * shape[2], y[taken] * shape[1], wide, 1 + soft * wide, density)
        stains.grey.add_(drawn(replace(blobs, long=wide * stretch, angle=TURN * angle[taken]), shape))
