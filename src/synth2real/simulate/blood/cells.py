"""Cells: the stain in red cells, white cells and platelets, as maps of optical density in green light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..blobs import Blobs, Pixels, noise_at, pixels, rising, summed
from .layout import TURN, Layout, Values, between_of_kind, of_kind

LOBES = 5  # most lobes of a nucleus
HOLES = 0.7  # threshold of the noise above which the cytoplasm of a monocyte has a vacuole
Shape = tuple[int, int, int]


@dataclass
class Stains:
    """Optical density in green light of each stain, (N, H, W).

    Args:
        red: haemoglobin with eosin, of red cells.
        violet: azure with eosin, of chromatin and platelets.
        blue: azure alone, of cytoplasm.
        eosin: of granules.
        grey: of all that absorbs every colour alike. Negative where light is gathered.
    """

    red: Tensor
    violet: Tensor
    blue: Tensor
    eosin: Tensor
    grey: Tensor


def red_cells(red: Layout, at: Pixels, values: Values, shape: Shape) -> Tensor:
    """Density (N, H, W) of red cells: biconcave discs, thin in the middle, which flatten where they lie in stacks."""
    cells, cell = red.cells, at.blob
    strength, aside, turned, wide, soft = red.chance["stain"][:, :5].T
    spread = red.of(values, "pallor_spread")
    pallor = (red.of(values, "pallor") + spread * (strength - 0.5)).clamp(0, 1)
    width = red.of(values, "pallor_width") * (0.8 + 0.4 * wide)
    # The thin middle lies aside: the square of the distance from it, from that of the distance from the centre.
    shift = 0.3 * aside * spread
    x, y = shift * (TURN * turned).cos(), shift * (TURN * turned).sin()
    of_long, of_short = (-2 * x / cells.long)[cell], (-2 * y / cells.short)[cell]
    squared = (at.squared + shift.square()[cell]).addcmul_(at.along, of_long).addcmul_(at.across, of_short)
    distance = squared.clamp_(min=0).sqrt_()
    thin = rising(width[cell] - distance, (0.25 + 0.4 * soft)[cell]).mul_(pallor[cell])
    density = rising(at.depth, cells.edge[cell]).mul_(1 - thin).mul_(cells.light[cell])
    total = summed(density, at.place, shape)
    thickest = torch.zeros(total.numel()).scatter_reduce_(0, at.place, density, "amax").view(shape)
    return torch.lerp(total, thickest, values["flattening"][:, None, None])


def white_cells(white: Layout, at: Pixels, values: Values, stains: Stains) -> None:
    """Add the cytoplasm with its granules and vacuoles, and the nucleus, of white cells."""
    shape = stains.red.shape
    cells, cell, kind = white.cells, at.blob, white.kind
    pixel = white.pixel[cells.image]
    inside = rising(at.depth, cells.edge[cell])
    nucleus = _nuclei(white, values, (shape[0], shape[1], shape[2]))
    covered = nucleus.flatten()[at.place].clamp(max=1)
    offset = (64 * white.chance["nucleus"][:, :2]).T.contiguous()

    def noise(size: Tensor, shift: float) -> Tensor:
        per = (pixel / size)[cell]
        return noise_at(at.along * per + offset[0][cell] + shift, at.across * per + offset[1][cell])

    contrast = of_kind("grained", kind) * white.of(values, "granules")
    grain = of_kind("grain", kind)
    contrast = contrast / (1.5 * pixel / grain).clamp(min=1)  # a pixel sees the mean of smaller granules
    fine = noise(grain, 0).mul_(contrast[cell]).add_(1).clamp_(0, 2)
    holes = (noise(1.5 * grain, 9) - HOLES).clamp_(0, 0.5).mul_(2 * (kind == 2)[cell])
    stain = (cells.light * white.of(values, "cytoplasm") * (0.6 + 0.8 * white.chance["stain"][:, 1]))[cell]
    body = inside * stain * fine * (1 - 0.85 * covered) * (1 - holes)
    for name in ("violet", "blue", "eosin"):
        getattr(stains, name).add_(summed(body * of_kind(name, kind)[cell], at.place, (shape[0], shape[1], shape[2])))
    chromatin = noise(torch.full_like(pixel, 1.1), 5).mul_(white.of(values, "chromatin")[cell]).add_(1).clamp_(0.3, 2)
    dark = covered * cells.light[cell] * chromatin * inside
    stains.violet.add_(summed(dark, at.place, (shape[0], shape[1], shape[2])))
    # A white cell displaces the red ones that it touches.
    stains.red.mul_(1 - 0.8 * summed(inside, at.place, (shape[0], shape[1], shape[2])).clamp(max=1))


def _nuclei(white: Layout, values: Values, shape: Shape) -> Tensor:
    """How much of each pixel (N, H, W) is nucleus, 0 to 1: lobes on a part of a ring."""
    cells, kind, chance = white.cells, white.kind, white.chance["nucleus"]
    number = torch.arange(LOBES)
    count = (between_of_kind("lobes", kind, chance[:, 2]) + 0.499).floor()
    chosen = number < count[:, None]
    owner, index = chosen.nonzero().unbind(1)
    radius = (cells.long * cells.short).sqrt()[owner]
    jitter = (chance[owner, (index + 3) % 8] - 0.5, chance[owner, (index * 3 + 1) % 8] - 0.5)
    of = {name: of_kind(name, kind)[owner] for name in ("lobe", "ring", "turn", "shift")}
    angle = TURN * chance[owner, 3] + of["turn"] * (0.7 + 0.6 * chance[owner, 4]) * (index + 0.5 * jitter[0])
    ring = radius * of["ring"] * (1 + 0.5 * jitter[1])
    shift, towards = radius * of["shift"] * chance[owner, 5], TURN * chance[owner, 6]
    lobe = radius * of["lobe"] * (1 + 0.35 * jitter[0])
    stretch = 1.05 + 0.3 * chance[owner, 7] * (of["ring"] > 0)
    lobes = replace(
        Blobs.round(
            cells.image[owner],
            cells.x[owner] + ring * angle.cos() + shift * towards.cos(),
            cells.y[owner] + ring * angle.sin() + shift * towards.sin(),
            lobe,
            torch.full_like(lobe, 1.2),
            torch.ones_like(lobe),
        ),
        long=lobe * stretch,
        short=lobe / stretch,
        angle=angle + TURN / 4,
        waves=0.25 * (chance[owner, :4] - 0.5),
    )
    at = pixels(lobes, shape[1:])
    cover = rising(at.depth, lobes.edge[at.blob])
    return torch.zeros(shape[0] * shape[1] * shape[2]).scatter_reduce_(0, at.place, cover, "amax").view(shape)


def platelets(found: Layout, at: Pixels, values: Values, stains: Stains) -> None:
    """Add platelets: granular and soft, violet or bluish."""
    cells, cell = found.cells, at.blob
    shape = (stains.red.shape[0], stains.red.shape[1], stains.red.shape[2])
    per = (found.pixel[cells.image] / 0.55)[cell]
    offset = (64 * found.chance["nucleus"][:, :2]).T.contiguous()
    grains = noise_at(at.along * per + offset[0][cell], at.across * per + offset[1][cell])
    contrast = 0.22 * found.of(values, "granules")
    density = rising(at.depth, cells.edge[cell]).mul_(cells.light[cell])
    density *= grains.mul_(contrast[cell]).add_(1).clamp_(0.2, 2)
    blue = (found.of(values, "platelet_blue") * 1.5 * found.chance["stain"][:, 2]).clamp(max=1)[cell]
    stains.violet.add_(summed(density * (1 - blue), at.place, shape))
    stains.blue.add_(summed(density * blue, at.place, shape))
