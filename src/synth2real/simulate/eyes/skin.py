"""Surroundings of the eyeball: the skin with its shading and folds, lashes, brow and glasses."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.fields import bell, draw, smooth_noise
from .geometry import Frame, Geometry, Values

STRANDS = 110  # control points of the comb function that models the lashes
FINE = 512  # samples of the comb
REACH = 1.3  # half-width of the comb, in halves of the fissure; it extends beyond the corners


@dataclass(frozen=True)
class Surround:
    """Parts of the image outside the open eye, (N, H, W) each.

    Args:
        skin: intensity of the bare skin.
        hair: coverage by lashes, liner and brow, 0..1.
        frame: coverage by the frame of glasses, 0..1.
    """

    skin: Tensor
    hair: Tensor
    frame: Tensor


def surround(
    geometry: Geometry, values: Values, texture: Tensor, size: tuple[int, int], generator: torch.Generator
) -> Surround:
    """Skin, hair and glasses of a batch; `values` as in `place`, `texture` fine noise (N, H, W)."""
    shade = _shading(geometry, values, size, generator).mul_(_folds(geometry, values))
    skin = shade.mul_((texture * values["texture"]).add_(1)).mul_(values["skin"])
    hair, brow = _lashes(geometry, values, generator), _brow(geometry, values, texture)
    return Surround(skin, torch.addcmul(hair + brow, hair, brow, value=-1), _glasses(geometry, values, generator))


def falloff(x: Tensor, y: Tensor, values: Values) -> Tensor:
    """Factor on the light at positions x, y in millimetres of the image's frame."""
    return (1 + values["falloff_x"] * x / 20 + values["falloff_y"] * y / 12).clamp_(0.1, 2)


def _shading(geometry: Geometry, values: Values, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Shading of the face's relief and variation of the skin tone. It is about 1 where the skin faces the light.

    It is smooth, so it is computed on a coarse grid.
    """
    n, side = len(geometry.side), geometry.side
    wide, high = geometry.x[:, :, [0, -1]], geometry.y[:, [0, -1], :]
    rows, columns = (int(12 + s / 12) for s in size)
    x = torch.lerp(wide[:, :, :1], wide[:, :, 1:], torch.linspace(0, 1, columns, device=side.device)[None, None])
    y = torch.lerp(high[:, :1], high[:, 1:], torch.linspace(0, 1, rows, device=side.device)[None, :, None])
    across, up = Frame.of(values, side).of_points(x, y)
    size_of = 0.5 + draw((8, n, 1, 1), generator)  # the size of each part differs between people
    relief = (
        4.0 * size_of[0] * bell(across - 1, 9.0) * bell(up + 1, 7.0)  # the eyeball under the lids
        + 7.0 * size_of[1] * bell(up - 19, 6.0)  # brow
        - 4.0 * size_of[2] * bell(across + 15, 5.0) * bell(up - 5, 6.0)  # hollow at the nose's corner
        + 10.0 * size_of[3] * torch.sigmoid((-across - 20) / 3.5)  # nose
        + 4.0 * size_of[4] * bell(up + 20, 7.0)  # cheek
        - 2.5 * size_of[5] * bell(across, 16.0) * bell(up + 9, 3.0)  # groove under the lower lid
        + 0.9 * smooth_noise(n, (5, 6), (rows, columns), generator)
    ) * values["relief"]
    down, right = torch.gradient(relief, dim=(1, 2))
    right, down = right / (x[:, :, 1:2] - x[:, :, :1]), down / (y[:, 1:2] - y[:, :1])
    # The light comes from the direction (light_x, light_y). The normal tilts towards falling height.
    facing = 1 - values["light_x"] * right - values["light_y"] * down
    lit = (facing / (1 + right.square() + down.square()).sqrt()).clamp(0, 1.8)
    corner = (size_of[6] * bell(across + 14, 5.0) * bell(up - 1, 5.0)).addcmul_(
        size_of[7] * bell(across - 14, 5.0), bell(up, 4.0), value=0.7
    )
    shade = values["ambient"] + (1 - values["ambient"]) * lit
    shade = shade * (1 - values["corner_shadow"] * corner).clamp(min=0.1)
    shade = (
        shade * falloff(x, y, values) * (1 + values["blotches"] * smooth_noise(n, (6, 8), (rows, columns), generator))
    )
    return F.interpolate(shade[:, None], size, mode="bilinear", align_corners=True)[:, 0]


def _folds(geometry: Geometry, values: Values) -> Tensor:
    """Factor (N, H, W): creases of the upper lid, and the rim and the bag of the lower lid."""
    lids, width = geometry.lids, values["fold_width"]
    squared = lids.along.square()
    arch = (squared * -0.75).add_(1)
    inside = (squared * -2.5).add_(3.5).clamp_(0, 1)  # 1 up to the corners, 0 from 1.18 of their distance
    lift = torch.addcmul(lids.above, arch, values["fold"], value=-1)
    crease = bell(lift, width).mul_(values["fold_depth"])
    crease += bell(lift - values["fold"] * 0.45, width * 0.8).mul_(values["fold_depth"] * values["second_fold"])
    crease += bell(lids.below - 1.5, 0.5).mul_(0.6 * values["rim"])
    bag = bell(torch.addcmul(lids.below, arch, values["bag"], value=-1), values["bag_width"])
    crease += bag.mul_((1.2 - squared).clamp_(0, 1).mul_(values["bag_depth"]))
    crease -= bell(lids.below - 0.5, 0.5).mul_(values["rim"])
    crease -= lift.clamp_(-2, 0).mul_(values["lid_tone"] * -0.5).mul_((lids.above * 2).clamp_(0, 1))
    return (1 - crease.mul_(inside)).clamp_(0.05, 2)


def _lashes(geometry: Geometry, values: Values, generator: torch.Generator) -> Tensor:
    """Coverage (N, H, W) by the lashes of both lids, which vary in length and tilt, and by a line along the roots."""
    lids, n = geometry.lids, len(geometry.side)
    droop = torch.where(draw((n, 1, 1), generator) < values["lash_droop"], -1.0, 1.0)
    bare = _lid_hair(geometry, values, lids.above, values["upper_lash"], droop, values["upper_line"], generator)
    bare *= _lid_hair(
        geometry, values, lids.below, values["lower_lash"], torch.ones_like(droop), values["lower_line"], generator
    )
    inside = (lids.along.square() * -3.0).add_(4).clamp_(0, 1)
    return inside.addcmul_(inside, bare, value=-1)


def _lid_hair(
    geometry: Geometry,
    values: Values,
    distance: Tensor,
    length: Tensor,
    way: Tensor,
    line: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Share (N, H, W) that the lashes of one lid do not cover.

    Args:
        distance: distance from the margin of the lid.
        length, way, line: length of the lashes; their direction, 1 or -1; coverage of the line along the roots.
    """
    along = geometry.lids.along
    lengths = draw((len(way), 1, STRANDS), generator) ** values["lash_gaps"]
    comb = F.interpolate(lengths, FINE, mode="linear", align_corners=True)[:, 0]
    out = distance * way
    lean = (along * values["lash_fan"]).add_(values["lash_lean"] * geometry.side)
    bend = out.clamp(0, 8).mul_(1 / 16).add_(1).mul_(out)
    root = torch.addcmul(along, lean, bend, value=-1 / 14)
    index = root.add_(REACH).mul_(FINE / 2 / REACH).clamp_(0, FINE - 1).long()
    tooth = comb.gather(1, index.flatten(1)).view_as(index)
    strands = torch.addcmul(tooth, out, 1 / length, value=-1).mul_(4).clamp_(0, 1)
    strands *= (out * geometry.scale.clamp(max=6)).add_(0.5).clamp_(0, 1)
    bare = strands.mul_(-values["lash_density"]).add_(1)
    bare *= bell(distance - 0.2, values["liner"]).mul_(-line).add_(1)
    painted = bell(distance.clamp(min=0), values["makeup_width"]).mul_((distance + 0.3).mul_(5).clamp_(0, 1))
    return bare.mul_(painted.mul_(-values["makeup"]).add_(1))


def _brow(geometry: Geometry, values: Values, texture: Tensor) -> Tensor:
    """Coverage (N, H, W) by the brow, an arched band of hair with irregular edges."""
    lids = geometry.lids
    away = torch.addcmul(lids.up - values["brow"], lids.along - 0.25, lids.along - 0.25, value=3.5)
    away = away.abs_().mul_(values["brow_width"].reciprocal() * -2).add_(1.2).add_(texture, alpha=0.25)
    ends = (lids.along - 0.1).abs_().mul_(-4).add_(6).clamp_(0, 1)
    return away.clamp_(0, 1).mul_(ends).mul_(values["brow_density"])


def _glasses(geometry: Geometry, values: Values, generator: torch.Generator) -> Tensor:
    """Coverage (N, H, W) by the rim of glasses, for the faces that wear them."""
    n = len(geometry.side)
    chance, a, b, right, down, width = draw((6, n, 1, 1), generator)
    worn = (chance < values["glasses"]).float()
    across = (geometry.lids.along * values["fissure"] / 2 - 6 * right + 1) / (19 + 9 * a)
    up = (geometry.lids.up + 5 * down) / (11 + 8 * b)
    radius = (across.square().square() + up.square().square()).sqrt().sqrt()
    rim = (radius - 1).abs() * (15 + 8 * b)
    cover: Tensor = (1 + width - rim).mul_(1.5).clamp_(0, 1) * worn
    return cover
