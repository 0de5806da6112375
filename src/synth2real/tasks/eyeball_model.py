"""Gaze from the geometry of the eye, without training. It is a baseline for trained models."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Inputs, to_float
from ..errors import InputError
from .directions import to_angles, to_vectors

BATCH = 128  # images per batch
RAYS = 64  # rays from the iris centre; one edge is searched on each
STEPS = 25  # sampled positions on each ray
HYPOTHESES = 48  # RANSAC ellipses per image
BORDER_PENALTY = 0.2  # reduction of a ring's score at the image border, where brows and hair are
NEAR = 0.6  # pixels; an edge closer to the ellipse than this is an inlier


@dataclass(frozen=True)
class EyeballModel:
    """Fits an ellipse to the iris and computes the gaze from it. The iris is a disc on a rotating eyeball.

    The method follows Wang & Sung (2001, *Gaze determination via images of irises*) and Wood & Bulling (2014,
    *EyeTab*). It has three steps. First it finds a ring that is bright outside and dark inside. Then it searches for
    edges along rays from the centre of the ring. RANSAC then finds the ellipse with the most edges. The longer
    semi-axis of the ellipse is the iris radius and gives the scale. The offset of its centre from the eyeball centre
    gives the gaze.

    Limits:
        - In images of 36 by 60 pixels, the iris radius is 9 pixels. An error of 1 pixel in the iris centre is then an
          error of 4 degrees.
        - The edge of an eyelid is often stronger than the edge of the iris. In half of the MPIIGaze images, the iris
          centre is off by 1.5 pixels or more.
        - The radii and the eyeball position are those of an average eye. They become wrong when the head turns.
        - The model ignores the angle between the optical and the visual axis of the eye (5 degrees, different for each
          person).
        - The projection is orthographic.
        - The model also returns a direction for a closed eye.
        - Expect errors of 15 degrees or more if heads turn freely.

    Args:
        radius: lowest and highest iris radius in pixels. It is 6 to 11 in MPIIGaze and UnityEyes crops of 36 by 60.
        iris: radius of the iris in millimetres.
        depth: distance from the eyeball centre to the plane of the iris, in millimetres.
        centre: position of the eyeball centre in the image. `frame` is the image centre, for crops that are centred on
            the eye corners. `images` is the median of the iris centres minus the offset of the mean gaze, for images
            of one person.
        mean: pitch and yaw in radians of the mean gaze; used with `images`.
    """

    radius: tuple[float, float] = (6.0, 11.0)
    iris: float = 5.9
    depth: float = 10.0
    centre: Literal["frame", "images"] = "frame"
    mean: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not 2 <= self.radius[0] <= self.radius[1]:
            raise InputError(f"radius={self.radius}: expected lowest and highest radius in pixels, 2 or more")

    def estimate(self, images: Inputs) -> Tensor:
        """Pitch and yaw (N, 2) float32 in radians (see `directions`) for images (N, C, H, W).

        Raises:
            InputError: the inputs are features, or images smaller than the iris.
        """
        if len(images.shape) != 4 or min(images.shape[2:]) < 2 * self.radius[1]:
            raise InputError(
                f"inputs of shape {tuple(images.shape)}: expected images (N, C, H, W) that are large enough for an "
                f"iris of radius {self.radius[1]:g} pixels"
            )
        parts = torch.arange(len(images)).split(BATCH)
        ellipses = torch.cat([self.ellipses(to_float(images[part]).mean(1)) for part in parts])
        place, scale = ellipses[:, :2], ellipses[:, 2:3] * self.depth / self.iris  # unit vector length in pixels
        height, width = images.shape[2:]
        eyeball = place.new_tensor([(width - 1) / 2, (height - 1) / 2])
        if self.centre == "images":
            mean = to_vectors(place.new_tensor([self.mean]))[0, :2]
            eyeball = (place - mean * scale).median(0).values
        across = (place - eyeball) / scale
        across = across * (
            0.95 / across.norm(dim=1, keepdim=True).clamp(min=0.95)
        )  # limits the angle to the camera axis
        return to_angles(torch.cat([across, -(1 - across.square().sum(1, keepdim=True)).sqrt()], 1))

    def ellipses(self, grey: Tensor) -> Tensor:
        """Iris in each image (N, H, W) in 0..1: x, y of the centre and the longer semi-axis, (N, 3) in pixels."""
        circles = self._circles(grey)
        points, weights = _edges(grey, circles)
        return _consensus(points, weights, circles)

    def _circles(self, grey: Tensor) -> Tensor:
        """Best ring of each image, (N, 3) x, y, radius. It is dark inside, and brighter outside on both sides.

        This is Daugman's operator. The score is the lower of the left and the right side, because the corner of an eye
        is bright on one side only. Top and bottom are not used, because the eyelids cover them.
        """
        radii = torch.arange(self.radius[0], self.radius[1] + 0.25, 0.5)
        reach = int(self.radius[1]) + 3
        away = torch.arange(-reach, reach + 1.0)
        distance = (away[:, None].square() + away.square()).sqrt()
        rings = {gap: (1 - (distance - radii[:, None, None] - gap).abs()).relu() for gap in (-1.5, 1.5)}
        sides = [(sign * away > away.abs()[:, None]).float() for sign in (-1, 1)]  # within 45 degrees of the horizontal
        kernels = [_mean(rings[1.5] * side) - _mean(rings[-1.5] * side) for side in sides]
        disc = _mean((radii[:, None, None] - 1 - distance).clamp(0, 1))
        padded = F.pad(grey[:, None], (reach,) * 4, mode="replicate")
        left, right, inside = (F.conv2d(padded, kernel[:, None]) for kernel in (*kernels, disc))
        height, width = grey.shape[1:]
        y, x = (torch.linspace(-1, 1, side).square() for side in (height, width))
        score = torch.minimum(left, right) - inside - BORDER_PENALTY * (y[:, None] + x)
        best = score.flatten(1).argmax(1)
        return torch.stack([best % width, best // width % height, radii[best // (height * width)]], 1).float()


def _mean(weights: Tensor) -> Tensor:
    """Kernels (K, h, w), each divided by its sum."""
    return weights / weights.sum((1, 2), keepdim=True)


def _edges(grey: Tensor, circles: Tensor) -> tuple[Tensor, Tensor]:
    """Strongest edge on each ray from the circle centre: x, y (N, RAYS, 2) and increase of brightness (N, RAYS)."""
    angles = torch.arange(RAYS) * (2 * pi / RAYS)
    rays = torch.stack([angles.cos(), angles.sin()], 1)
    along = torch.linspace(0.6, 1.4, STEPS)
    reach = circles[:, 2, None, None, None] * along[:, None]  # (N, 1, STEPS, 1)
    at = circles[:, None, None, :2] + reach * rays[:, None]  # (N, RAYS, STEPS, 2)
    size = at.new_tensor([grey.shape[2], grey.shape[1]])
    seen = F.grid_sample(grey[:, None], (2 * at + 1) / size - 1, padding_mode="border", align_corners=False)[:, 0]
    rise = F.pad(seen[:, :, 3:] - seen[:, :, :-3], (1, 2))
    height, where = rise.max(2)
    # Sub-step position: the maximum of the parabola through the highest value and its neighbours.
    left, right = (rise.gather(2, (where + d).clamp(0, STEPS - 1)[..., None])[..., 0] for d in (-1, 1))
    bend = (left + right - 2 * height).clamp(max=-1e-6)
    offset = ((left - right) / (2 * bend)).clamp(-0.5, 0.5) + 0.5  # the edge is midway between the two positions
    step = circles[:, 2:3] * (along[1] - along[0])
    far = circles[:, 2:3] * along[where] + step * offset
    return circles[:, None, :2] + far[..., None] * rays, height.clamp(min=0)


def _consensus(points: Tensor, weights: Tensor, circles: Tensor) -> Tensor:
    """Ellipse with the most inliers, (N, 3) centre and longer semi-axis; the circle if no ellipse is plausible."""
    n = len(points)
    unit = circles[:, None, 2:3]
    local = (points - circles[:, None, :2]) / unit
    generator = torch.Generator().manual_seed(0)  # the same result for the same image
    chance = torch.rand(n, HYPOTHESES, RAYS, generator=generator).pow(1 / (weights[:, None] + 1e-3))
    sampled = chance.topk(6, dim=2).indices  # strong edges are sampled more often
    some = local[:, None].expand(n, HYPOTHESES, RAYS, 2).gather(2, sampled[..., None].expand(-1, -1, -1, 2))
    conics = _fit(some, torch.ones_like(some[..., 0]))
    near = _distance(conics, local[:, None]) < NEAR / unit
    support = (near * weights[:, None]).sum(2) * _plausible(conics)
    best = support.argmax(1)
    inliers = near[torch.arange(n), best] * weights
    final = _fit(local, inliers)
    good = _plausible(final) & (support.amax(1) > 0)
    x, y, longer, _ = _axes(final).unbind(-1)
    found = torch.stack([x, y, longer], 1) * unit[:, 0] + F.pad(circles[:, :2], (0, 1))
    return torch.where(good[:, None], found, circles)


def _fit(points: Tensor, weights: Tensor) -> Tensor:
    """Least-squares fit of the conic a (x² - y²) + b x y + d x + e y + f = -y² to points (..., K, 2), (..., 5).

    The factors of x² and y² sum to 1. This constraint excludes no ellipse and is invariant to rotation.
    """
    x, y = points.unbind(-1)
    rows = torch.stack([x * x - y * y, x * y, x, y, torch.ones_like(x)], -1) * weights[..., None]
    normal = rows.mT @ rows
    # Weak regularisation towards a circle of radius 1: eyelids hide edges, so the ellipse can be undetermined.
    normal = normal + 1e-3 * weights.square().sum(-1)[..., None, None].clamp(min=1e-6) * torch.eye(5)
    prior = points.new_tensor([0.5, 0.0, 0.0, 0.0, -0.5])
    residual = -(y * y) * weights - (rows @ prior[:, None])[..., 0]
    change: Tensor = torch.linalg.solve(normal, (rows.mT @ residual[..., None])[..., 0])
    return prior + change


def _distance(conic: Tensor, points: Tensor) -> Tensor:
    """Sampson distance (first-order approximation) of points (..., K, 2) from conics (..., 5)."""
    a, b, d, e, f = (one[..., None] for one in conic.unbind(-1))
    x, y = points.unbind(-1)
    value = a * x * x + b * x * y + (1 - a) * y * y + d * x + e * y + f
    slope = (2 * a * x + b * y + d).square() + (b * x + 2 * (1 - a) * y + e).square()
    return value.abs() / slope.sqrt().clamp(min=1e-6)


def _axes(conic: Tensor) -> Tensor:
    """Centre x, y, longer and shorter semi-axis (..., 4) of conics (..., 5); nan if the conic is not an ellipse."""
    a, b, d, e, f = conic.unbind(-1)
    c = 1 - a
    apart = 4 * a * c - b * b
    x, y = (b * e - 2 * c * d) / apart, (b * d - 2 * a * e) / apart
    level = -(f + (d * x + e * y) / 2)
    spread = ((a - c).square() + b * b).sqrt()
    longer, shorter = ((2 * level / (1 + sign * spread)) for sign in (-1, 1))
    axes = torch.stack([x, y, longer.sqrt(), shorter.sqrt()], -1)
    return torch.where((apart > 0)[..., None], axes, torch.nan)


def _plausible(conic: Tensor) -> Tensor:
    """Whether an ellipse can be the iris. It is in units of the radius of the initial circle, and relative to it."""
    x, y, longer, shorter = _axes(conic).unbind(-1)
    return ((x * x + y * y) < 0.2) & (longer < 1.35) & (longer > 0.75) & (shorter > 0.6 * longer)
