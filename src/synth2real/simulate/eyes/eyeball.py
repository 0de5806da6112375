"""The eyeball: sclera, iris, pupil, the shadow of the upper lid, and the reflections of the cornea."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scene.fields import bell, draw
from .geometry import Geometry, Values
from .skin import falloff

AROUND, ACROSS = 128, 12  # samples of the iris's pattern
CORNEA = 7.8  # millimetres, radius of the corneal sphere
LIGHTS = 6


def edge(inside: Tensor, softness: Tensor | float) -> Tensor:
    """Coverage 0..1 from a signed distance. It is linear over the width `softness`."""
    return (inside / softness + 0.5).clamp(0, 1)


def ball(geometry: Geometry, values: Values, texture: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Intensities `sclera`, `iris`, `pupil`; coverages `iris_cover`, `pupil_cover`; and `lit`, the factor of light.

    All are (N, H, W), except the intensity of the pupil, (N, 1, 1).
    """
    lids = geometry.lids
    pixel = 1 / geometry.scale
    rho = geometry.iris.squared.sqrt()
    dx, dy = geometry.x - geometry.centre[0], geometry.y - geometry.centre[1]
    tilt = (dx * values["light_x"] + dy * values["light_y"]) / values["eyeball"]
    round_ = 1 - 0.35 * (dx.square() + dy.square()) / values["eyeball"].square()
    lit = (values["ambient"] + (1 - values["ambient"]) * (round_ + 0.7 * tilt)).clamp_(0.1, 1.6)
    lit = lit * falloff(geometry.x, geometry.y, values)
    lit = lit * (1 - values["lid_shadow"] * bell(lids.above.clamp(max=0), values["shadow_reach"]))
    sclera = (texture * values["veins"]).add_(1).mul_(values["sclera"])
    sclera = sclera * (1 - values["corner_shadow"] * lids.along.abs().clamp(max=1).square().square())
    caruncle = edge(1.6 - ((lids.along + 1.02) * 6).square() - (lids.up / 3).square(), 1.0)
    sclera = torch.lerp(sclera, values["caruncle"] * values["sclera"] * torch.ones_like(sclera), caruncle)
    iris = values["iris_tone"] * _pattern(geometry, values, rho, generator)
    return {
        "sclera": sclera,
        "iris": iris,
        "pupil": values["pupil_tone"],
        "iris_cover": edge((1 - rho) * geometry.iris.radius, torch.maximum(values["limbus"], pixel)),
        "pupil_cover": edge(
            (1 - geometry.pupil.squared.sqrt()) * geometry.pupil.radius, torch.maximum(values["soft"], pixel)
        ),
        "lit": lit,
    }


def _pattern(geometry: Geometry, values: Values, rho: Tensor, generator: torch.Generator) -> Tensor:
    """Factor (N, H, W) on the iris's tone: fibres, a bright collar around the pupil, a dark ring at the limbus."""
    n = len(geometry.side)
    fibres = torch.randn((n, 1, ACROSS // 3, AROUND // 2), generator=generator, device=generator.device)
    fibres = F.interpolate(fibres, (ACROSS, AROUND), mode="bilinear", align_corners=True)
    angle = torch.atan2(geometry.y - geometry.iris.y, geometry.x - geometry.iris.x)
    column = ((angle / torch.pi + 1) * (AROUND / 2 - 0.01)).long()
    row = (rho * ACROSS).long().clamp_(max=ACROSS - 1)
    fibre = fibres.flatten(1).gather(1, (row * AROUND + column).flatten(1)).view_as(column)
    collar = bell(rho - 1.25 * values["pupil"] / values["iris"], 0.12)
    factor = 1 + values["fibres"] * 0.5 * fibre + values["collar"] * collar
    return (factor * (1 - values["ring"] * bell(rho - 0.98, 0.09))).clamp_(0.1, 3)


def mirrored(geometry: Geometry, values: Values, generator: torch.Generator) -> Tensor:
    """Brightness (N, H, W) of reflections: up to six small lights in a ring, and a window.

    A reflection is where the normal of the cornea bisects the angle between light and camera. If this position is not
    on the cornea, the normal of the sclera applies, and the reflection is weaker and wider.
    """
    n = len(geometry.side)
    turn, size, wobble_x, wobble_y, on, stretch = draw((6, n, LIGHTS), generator)
    flat = {name: value[:, 0] for name, value in values.items()}
    angle = 2 * torch.pi * (torch.arange(LIGHTS, device=turn.device) / LIGHTS + turn[:, :1])
    tilt = flat["glint_spread"] / 2
    half_x = tilt * angle.cos() + flat["glint_x"] / 2 + 0.06 * (wobble_x - 0.5)
    half_y = tilt * angle.sin() + flat["glint_y"] / 2 + 0.06 * (wobble_y - 0.5)
    before = (flat["eyeball"].square() - flat["iris"].square()).sqrt()
    before = before - (CORNEA**2 - flat["iris"].square()).sqrt()  # from the eyeball's centre to the cornea's
    place_x, place_y = (
        c[:, 0] + before * g[:, 0] + CORNEA * h
        for c, g, h in zip(geometry.centre, geometry.axis[:2], (half_x, half_y), strict=True)
    )
    away = (place_x - geometry.iris.x[:, 0]).square() + (place_y - geometry.iris.y[:, 0]).square()
    outside = away > flat["iris"].square()
    ball_x, ball_y = (c[:, 0] + flat["eyeball"] * h for c, h in zip(geometry.centre, (half_x, half_y), strict=True))
    place_x, place_y = torch.where(outside, ball_x, place_x), torch.where(outside, ball_y, place_y)
    wide = flat["glint_size"] * (0.5 + size) * torch.where(outside, 1.3, 1.0)
    wide = wide.clamp(min=0.35 / geometry.scale[:, 0])
    count = torch.arange(LIGHTS, device=turn.device) < flat["glints"].round()
    power = flat["glint_power"] * (0.3 + on) * count * torch.where(outside, 0.6, 1.0)
    lights = _spots(geometry, place_x, place_y, wide * (0.7 + 0.6 * stretch), wide, power, 2)
    wx, wy, ww, wh = draw((4, n, 1), generator) * 2 - 1
    at_x, at_y = geometry.iris.x[:, 0] + 4 * wx, geometry.iris.y[:, 0] + 4 * wy
    shown = (draw((n, 1), generator) < flat["window"]).float() * flat["window_power"]
    return lights + _spots(geometry, at_x, at_y, 1.4 + 0.9 * ww, 1.4 + 0.9 * wh, shown, 4)


def _spots(
    geometry: Geometry, x: Tensor, y: Tensor, wide: Tensor, high: Tensor, power: Tensor, exponent: int
) -> Tensor:
    """Sum (N, H, W) of spots (N, K). They are Gaussian for `exponent` 2, and flatter for a larger one."""
    across = (geometry.x - x[..., None]) / wide[..., None]  # (N, K, W)
    down = (geometry.y.mT - y[..., None]) / high[..., None]  # (N, K, H)
    across, down = ((-0.5 * z.abs() ** exponent).exp() for z in (across, down))
    return (down * power[..., None]).mT @ across
