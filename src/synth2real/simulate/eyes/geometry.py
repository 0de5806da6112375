"""Geometry: positions of the parts of the eye in the image, from the directions of gaze and head.

The camera is far away, so the projection is a scaled orthographic projection: a circle becomes an exact ellipse about
its projected centre. Lengths are in millimetres, except for pixel coordinates. There are two frames: the image frame
(x right, y down), and the lid frame (`across` from the corner at the nose to the outer corner, `up`). The origin of
both is midway between the corners. Angles and vectors have the conventions of `directions`.

Three facts of anatomy place the iris. The eyeball's centre is above the line of the corners, so at a level gaze the
pupil is above that line, too. It is behind that line, so it moves against the turn of the face. The line of sight is
not the axis of the eyeball: it points a few degrees more towards the nose, and a little more upwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...tasks.directions import components

LANDMARKS = 16
REFRACTION = 1.12  # the cornea makes the pupil look rounder: it divides the viewing angle by this (Mathur 2013)

Values = dict[str, Tensor]  # (N, 1, 1) float32 each
Vector = tuple[Tensor, Tensor, Tensor]  # x, y, z, (N, 1, 1) each


@dataclass(frozen=True)
class Frame:
    """The lid frame in the image frame.

    Args:
        side: see `Geometry`.
        cos, sin: of the clockwise turn of the line of the corners in the image, (N, 1, 1) each.
    """

    side: Tensor
    cos: Tensor
    sin: Tensor

    @classmethod
    def of(cls, values: Values, side: Tensor) -> Frame:
        """The frame from `roll`, and from `slant`, which lifts the outer corner."""
        turn = (values["roll"] - side * values["slant"]).deg2rad()
        return cls(side, turn.cos(), turn.sin())

    @property
    def up(self) -> tuple[Tensor, Tensor]:
        """Direction `up` in the image frame."""
        return self.sin, -self.cos

    @property
    def nose(self) -> tuple[Tensor, Tensor]:
        """Direction from the outer corner to the nose in the image frame."""
        return -self.side * self.cos, -self.side * self.sin

    def of_points(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`across` and `up` of points of the image frame."""
        return (x * self.cos + y * self.sin) * self.side, x * self.sin - y * self.cos

    def to_points(self, across: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
        """x and y in the image frame: the inverse of `of_points`."""
        sides = across * self.side
        return sides * self.cos + up * self.sin, sides * self.sin - up * self.cos


@dataclass(frozen=True)
class Disc:
    """The ellipse of a disc of the eye in the image.

    Args:
        x, y: centre, millimetres, (N, 1, 1).
        radius: millimetres, (N, 1, 1).
        squared: (N, H, W), squared distance from the centre, in radii of the ellipse. It is 1 on the edge.
    """

    x: Tensor
    y: Tensor
    radius: Tensor
    squared: Tensor


@dataclass(frozen=True)
class Lids:
    """The distances of each pixel to the margins of both lids.

    Args:
        along: (N, H, W), position along the line between the corners, -1 at the nose's corner and 1 at the outer one.
        up: (N, H, W), millimetres above that line.
        above, below: (N, H, W), millimetres above the upper margin, and below the lower one.
    """

    along: Tensor
    up: Tensor
    above: Tensor
    below: Tensor


@dataclass(frozen=True)
class Geometry:
    """The geometry of a batch of eyes.

    Args:
        scale: pixels per millimetre, (N, 1, 1).
        x, y: (1 or N, H, W), coordinates of the pixels in the image frame, millimetres.
        side: 1 where the outer corner is on the image's right, else -1, (N, 1, 1).
        centre: x and y of the eyeball, (N, 1, 1) each.
        axis: x, y, z of the axis of the eyeball, a unit vector, (N, 1, 1) each.
        iris, pupil, lids: see `Disc` and `Lids`.
        landmarks: x and y in the image frame, (N, 1, 16) each: the nose's corner, 7 on the upper margin, the outer
            corner, 7 on the lower margin.
    """

    scale: Tensor
    x: Tensor
    y: Tensor
    side: Tensor
    centre: tuple[Tensor, Tensor]
    axis: Vector
    iris: Disc
    pupil: Disc
    lids: Lids
    landmarks: tuple[Tensor, Tensor]

    def pixels(self, x: Tensor, y: Tensor) -> Tensor:
        """Convert points (N, 1, K) in millimetres of the image frame to pixels (N, 1, K, 2)."""
        left, top = self.x[:, :1, :1], self.y[:, :1, :1]
        return torch.stack([(x - left) * self.scale, (y - top) * self.scale], -1)


def place(values: Values, side: Tensor, size: tuple[int, int]) -> Geometry:
    """Compute the geometry of a batch.

    Args:
        values: the simulator's parameters.
        side: see `Geometry`.
        size: height and width of the images, pixels.
    """
    height, width = size
    scale = width / values["field"]
    x = (torch.arange(width, device=side.device) - (width - 1) / 2)[None, None] / scale - values["offset_x"]
    y = (torch.arange(height, device=side.device) - (height - 1) / 2)[None, :, None] / scale - values["offset_y"]
    gaze = components(values["gaze_pitch"].deg2rad(), values["gaze_yaw"].deg2rad())
    face = components(values["head_pitch"].deg2rad(), values["head_yaw"].deg2rad())
    frame = Frame.of(values, side)
    axis = _turned(gaze, frame.nose, -values["kappa_in"].deg2rad())
    axis = _turned(axis, frame.up, -values["kappa_up"].deg2rad())
    lift = values["eye_height"] * (1 - face[1].square()).sqrt()
    # The centre of the eyeball is behind the corners, so it moves in the opposite direction to the face.
    centre = (
        lift * frame.up[0] - values["socket"] * face[0],
        lift * frame.up[1] - values["socket"] * face[1],
    )
    reach = (values["eyeball"].square() - values["iris"].square()).sqrt()  # from the eyeball's centre to the limbus
    iris = _disc(x, y, centre, axis, reach, values["iris"], 1.0)
    pupil = _disc(x, y, centre, axis, reach, values["pupil"], REFRACTION)
    lids, landmarks = _lids(x, y, (iris.x, iris.y), lift, face, frame, values)
    return Geometry(scale, x, y, side, centre, axis, iris, pupil, lids, landmarks)


def _turned(vector: Vector, to: tuple[Tensor, Tensor], angle: Tensor) -> Vector:
    """The unit vector, turned by `angle` in radians towards the direction `to` of the image plane."""
    along = vector[0] * to[0] + vector[1] * to[1]
    across = (to[0] - along * vector[0], to[1] - along * vector[1], -along * vector[2])
    cos, sin = angle.cos(), angle.sin() / (1 - along.square()).sqrt()
    x, y, z = (cos * v + sin * a for v, a in zip(vector, across, strict=True))
    return x, y, z


def _disc(
    x: Tensor,
    y: Tensor,
    centre: tuple[Tensor, Tensor],
    axis: Vector,
    reach: Tensor,
    radius: Tensor,
    refraction: float,
) -> Disc:
    """A disc perpendicular to the axis, at the distance `reach` from the centre of the eyeball."""
    at_x, at_y = centre[0] + reach * axis[0], centre[1] + reach * axis[1]
    angle = (-axis[2]).clamp(-1, 1).acos().clamp(min=1e-3)
    # Ratio of the squared length along the tilt on the disc to that in the image, minus 1, over the squared sine.
    stretch = ((angle / refraction).cos().square().reciprocal() - 1) / angle.sin().square()
    dx, dy = x - at_x, y - at_y
    tilt = dx * axis[0] + dy * axis[1]
    squared = (dx.square() + dy.square()).addcmul(tilt.square(), stretch) / radius.square()
    return Disc(at_x, at_y, radius, squared)


def _lids(
    x: Tensor,
    y: Tensor,
    iris: tuple[Tensor, Tensor],
    lift: Tensor,
    face: Vector,
    frame: Frame,
    values: Values,
) -> tuple[Lids, tuple[Tensor, Tensor]]:
    """Distances to both margins, and the landmarks. `lift`: height of the eyeball's centre above the corners' line."""
    across, up = frame.of_points(x, y)
    half = values["fissure"] / 2 * face[2].abs()
    # The lids are on the eyeball, in front of the line between the corners, so their centre moves with the face.
    shift, rise = (part * (values["eyeball"] - values["socket"]) for part in frame.of_points(face[0], face[1]))
    rise = rise + lift
    _, level = frame.of_points(*iris)
    follow = values["lid_follow"] * (level - rise)
    low = rise + follow / 2 - values["lower_lid"]
    high = rise + follow + values["upper_lid"]
    skew = shift / half

    def margins(along: Tensor) -> tuple[Tensor, Tensor]:
        open_ = 1 - along.square()
        upper, lower = along - (skew + values["upper_skew"]) * open_, along - (skew + values["lower_skew"]) * open_
        upper, lower = upper.square(), lower.square()
        upper = high * (1 - upper) * (1 + values["upper_round"] * upper)
        lower = low * (1 - lower) * (1 + values["lower_round"] * lower)
        return torch.lerp(lower, upper, values["opening"]), lower  # closed lids meet on the lower margin

    along = across / half
    upper, lower = margins(along)
    steps = torch.linspace(-1, 1, LANDMARKS // 2 + 1, device=x.device)[None]
    path = torch.cat([steps, steps.flip(1)[:, 1:-1]], 1)[:, None].expand(len(half), 1, LANDMARKS)
    above, below = margins(path)
    is_upper = torch.arange(LANDMARKS, device=x.device) <= LANDMARKS // 2
    heights = torch.where(is_upper, above, torch.minimum(below, above))
    return Lids(along, up, up - upper, lower - up), frame.to_points(path * half, heights)
