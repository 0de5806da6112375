"""What surrounds the eyeball: the skin with its shading and folds, lashes, brow and glasses."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .eye_geometry import Geometry, Values

COARSE = 2.0  # millimetres between the points at which smooth shading is computed
STRANDS = 110  # control points of the comb of lashes
FINE = 512  # samples of the comb, and of the iris around and across
ROOM = 1.3  # how far the comb goes on beyond the corners, in halves of the fissure


@dataclass(frozen=True)
class Surround:
    """What is drawn outside of the open eye, (N, H, W) each.

    Args:
        skin: intensity of the bare skin.
        hair: coverage by lashes, liner and brow, 0..1.
        frame: coverage by the frame of glasses, 0..1.
    """

    skin: Tensor
    hair: Tensor
    frame: Tensor


def gauss(x: Tensor, sigma: Tensor | float) -> Tensor:
    """exp(-x^2 / 2 sigma^2)."""
    return (x / sigma).square_().mul_(-0.5).exp_()


def draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform in 0..1."""
    return torch.rand(shape, generator=generator, device=generator.device)


def smooth_noise(n: int, points: tuple[int, int], size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """(N, H, W), standard normal at a few points and smooth in between."""
    noise = torch.randn((n, 1, *points), generator=generator, device=generator.device)
    return F.interpolate(noise, size, mode="bilinear", align_corners=True)[:, 0]


def surround(geometry: Geometry, values: Values, size: tuple[int, int], generator: torch.Generator) -> Surround:
    """Skin, hair and glasses of a batch; `values` as in `place`."""
    shade = _shading(geometry, values, size, generator) * _folds(geometry, values)
    hair = _lashes(geometry, values, generator)
    brow = _brow(geometry, values, size, generator)
    hair = 1 - (1 - hair) * (1 - brow)
    return Surround(values["skin"] * shade, hair, _glasses(geometry, values, generator))


def _shading(geometry: Geometry, values: Values, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Light on the face's relief, and its uneven tone, about 1 where skin faces the light.

    All of it is smooth, so that it is computed on a coarse grid.
    """
    n, side = len(geometry.side), geometry.side
    wide, high = geometry.x[:, :, [0, -1]], geometry.y[:, [0, -1], :]
    rows, columns = (int(12 + s / 12) for s in size)
    x = torch.lerp(wide[:, :, :1], wide[:, :, 1:], torch.linspace(0, 1, columns, device=side.device)[None, None])
    y = torch.lerp(high[:, :1], high[:, 1:], torch.linspace(0, 1, rows, device=side.device)[None, :, None])
    cos, sin = values["roll"].deg2rad().cos(), values["roll"].deg2rad().sin()
    across, up = (x * cos + y * sin) * side, x * sin - y * cos
    size_of = 0.5 + draw((6, n, 1, 1), generator)  # persons differ
    relief = (
        4.0 * size_of[0] * gauss(across - 1, 9.0) * gauss(up + 1, 7.0)  # the eyeball under the lids
        + 7.0 * size_of[1] * gauss(up - 19, 6.0)  # brow
        - 4.0 * size_of[2] * gauss(across + 15, 5.0) * gauss(up - 5, 6.0)  # hollow at the nose's corner
        + 10.0 * size_of[3] * torch.sigmoid((-across - 20) / 3.5)  # nose
        + 4.0 * size_of[4] * gauss(up + 20, 7.0)  # cheek
        - 2.5 * size_of[5] * gauss(across, 16.0) * gauss(up + 9, 3.0)  # groove under the lower lid
        + 0.9 * smooth_noise(n, (5, 6), (rows, columns), generator)
    ) * values["relief"]
    down, right = torch.gradient(relief, dim=(1, 2))
    right, down = right / (x[:, :, 1:2] - x[:, :, :1]), down / (y[:, 1:2] - y[:, :1])
    # Light from where light_x, light_y point; the surface leans to where its height falls.
    facing = 1 - values["light_x"] * right - values["light_y"] * down
    lit = (facing / (1 + right.square() + down.square()).sqrt()).clamp(0, 1.8)
    corner = gauss(across + 14, 4.0) * gauss(up - 1, 4.0) + 0.6 * gauss(across - 14, 4.0) * gauss(up, 3.0)
    shade = values["ambient"] + (1 - values["ambient"]) * lit
    shade = shade * (1 - values["corner_shadow"] * corner)
    fall = 1 + values["falloff_x"] * x / 20 + values["falloff_y"] * y / 12
    shade = shade * fall.clamp(0.1, 2) * (1 + values["blotches"] * smooth_noise(n, (6, 8), (rows, columns), generator))
    return F.interpolate(shade[:, None], size, mode="bilinear", align_corners=True)[:, 0]


def _folds(geometry: Geometry, values: Values) -> Tensor:
    """Factor (N, H, W): creases of the upper lid, the rim of the lower one, lines and a bag beneath it."""
    lids = geometry.lids
    arch = (1 - 0.75 * lids.along.square()).clamp(min=-0.6)
    lift = lids.above - values["fold"] * arch
    width = values["fold_width"]
    factor = 1 - values["fold_depth"] * gauss(lift, width)
    factor *= 1 - values["fold_depth"] * values["second_fold"] * gauss(lift - values["fold"] * 0.45, width * 0.8)
    factor *= 1 + values["lid_tone"] * (lift.clamp(-2, 0) / -2) * (lids.above > 0)
    factor *= 1 + values["rim"] * gauss(lids.below - 0.5, 0.5)
    factor *= 1 - 0.6 * values["rim"] * gauss(lids.below - 1.5, 0.5)
    factor *= 1 - values["bag_depth"] * gauss(lids.below - values["bag"] * arch.clamp(min=0), width * 1.6)
    return factor.clamp_(0.05, 2)


def _lashes(geometry: Geometry, values: Values, generator: torch.Generator) -> Tensor:
    """Coverage (N, H, W): on each lid a comb whose teeth taper, lean and differ, and a line along the roots."""
    lids, cover = geometry.lids, None
    n = len(geometry.side)
    inside = (1.15 - lids.along.abs()).mul_(8).clamp_(0, 1)
    edge = geometry.scale.clamp(max=6)
    droop = torch.where(draw((n, 1, 1), generator) < values["lash_droop"], -1.0, 1.0)
    for distance, length, way in (
        (lids.above, values["upper_lash"], droop),
        (lids.below, values["lower_lash"], torch.ones_like(droop)),
    ):
        comb = F.interpolate(draw((n, 1, STRANDS), generator) ** 1.5, FINE, mode="linear", align_corners=True)[:, 0]
        out = distance * way
        lean = values["lash_lean"] * geometry.side + values["lash_fan"] * lids.along
        root = lids.along - lean * out / 14 * (1 + out.clamp(0, 8) / 16)
        index = ((root + ROOM) * (FINE / 2 / ROOM)).long().clamp_(0, FINE - 1)
        tooth = comb.gather(1, index.flatten(1)).view_as(index)
        tip = (tooth - out / (length * (0.75 + 0.25 * lids.along.clamp(-1, 1)))).mul_(4)
        strands = tip.clamp_(0, 1) * (out * edge + 0.5).clamp(0, 1)
        roots = gauss(distance - 0.2, values["liner"]) * values["root_line"]
        smudge = gauss(distance.clamp(min=0) / values["makeup_width"].clamp(min=0.1), 1.0)
        smudge = smudge * (distance > -0.3) * values["makeup"]
        each = 1 - (1 - strands * values["lash_density"]) * (1 - roots.clamp_(max=1)) * (1 - smudge)
        cover = each if cover is None else 1 - (1 - cover) * (1 - each)
    assert cover is not None
    return cover * inside


def _brow(geometry: Geometry, values: Values, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Coverage (N, H, W) by an arched, ragged band of hair."""
    lids = geometry.lids
    ragged = smooth_noise(len(geometry.side), (8, 24), size, generator)
    middle = values["brow"] - 3.5 * (lids.along - 0.25).square()
    away = (lids.up - middle).abs() - values["brow_width"] / 2 * (1 + 0.3 * ragged)
    cover = (0.5 - away * 0.8).clamp_(0, 1) * (1.5 - (lids.along - 0.1).abs()).mul_(4).clamp_(0, 1)
    return cover * values["brow_density"] * (0.85 + 0.15 * ragged).clamp_(0.3, 1)


def _glasses(geometry: Geometry, values: Values, generator: torch.Generator) -> Tensor:
    """Coverage (N, H, W) by the rim of a lens, on the faces that wear glasses."""
    n = len(geometry.side)
    chance, a, b, right, down, width = draw((6, n, 1, 1), generator)
    worn = (chance < values["glasses"]).float()
    across = (geometry.lids.along * values["fissure"] / 2 - 6 * right + 1) / (19 + 9 * a)
    up = (geometry.lids.up + 5 * down) / (11 + 8 * b)
    radius = (across.square().square() + up.square().square()).sqrt().sqrt()
    rim = (radius - 1).abs() * (15 + 8 * b)
    return (1 + width - rim).mul_(1.5).clamp_(0, 1) * worn
