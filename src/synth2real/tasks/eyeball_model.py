"""Gaze from the geometry of the eye, without learning: what a trained model must beat."""

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

BATCH = 128  # images at once
RAYS = 64  # edges looked for around the iris
STEPS = 25  # places looked at along each ray
DRAWS = 48  # ellipses tried
AT_THE_BORDER = 0.2  # less of a ring's score there, where brows and hair are
NEAR = 0.6  # pixels from the ellipse within which an edge belongs to it


@dataclass(frozen=True)
class EyeballModel:
    """Fits an ellipse to the iris, and takes it for a disc on an eyeball that turns about its centre.

    Of the family of Wang & Sung (2001, *Gaze determination via images of irises*) and Wood & Bulling (2014, *EyeTab*):
    a ring that is bright outside and dark inside is found first, edges are searched along rays from its centre, and
    RANSAC finds the ellipse that most of them lie on. Its longer semi-axis is the iris's radius and gives the scale;
    how far its centre is from the eyeball's gives the gaze.

    Limits, on images of 36 by 60 in particular: the iris is 9 pixels in radius, a pixel of its centre is 4 degrees,
    and a lid's edge often wins over the iris's (on MPIIGaze's images its centre is half of the time off by 1.5 pixels
    and more). The radii and the place of the eyeball are those of a mean eye, which a turned head moves away from; the
    angle between the eye's optical and visual axis (5 degrees and one's own) is left out; the projection is taken to be
    orthographic; closed eyes are answered as any other. Expect 15 degrees and more where heads turn freely.

    Args:
        radius: of the iris in pixels, lowest and highest; MPIIGaze's and UnityEyes's crops of 36 by 60 show 6 to 11.
        iris: radius of the iris in millimetres.
        depth: from the eyeball's centre to the plane of the iris, millimetres.
        centre: where the eyeball's centre is seen: `frame`, the image's centre, as where crops are centred on the eye's
            corners; `images`, the median of the iris's centres less the mean gaze, where the images are of one person.
        mean: pitch and yaw in radians of the mean gaze; for `images`.
    """

    radius: tuple[float, float] = (6.0, 11.0)
    iris: float = 5.9
    depth: float = 10.0
    centre: Literal["frame", "images"] = "frame"
    mean: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not 2 <= self.radius[0] <= self.radius[1]:
            raise InputError(f"radius={self.radius}: expected lowest and highest in pixels, 2 or more")

    def estimate(self, images: Inputs) -> Tensor:
        """Pitch and yaw (N, 2) float32 in radians (see `directions`), of images (N, C, H, W).

        Raises:
            InputError: features, or images smaller than the iris.
        """
        if len(images.shape) != 4 or min(images.shape[2:]) < 2 * self.radius[1]:
            raise InputError(
                f"inputs of shape {tuple(images.shape)}: expected images (N, C, H, W) whose sides hold an iris "
                f"of radius {self.radius[1]:g} pixels"
            )
        parts = torch.arange(len(images)).split(BATCH)
        ellipses = torch.cat([self.ellipses(to_float(images[part]).mean(1)) for part in parts])
        place, scale = ellipses[:, :2], ellipses[:, 2:3] * self.depth / self.iris  # a unit of gaze in pixels
        height, width = images.shape[2:]
        eyeball = place.new_tensor([(width - 1) / 2, (height - 1) / 2])
        if self.centre == "images":
            mean = to_vectors(place.new_tensor([self.mean]))[0, :2]
            eyeball = (place - mean * scale).median(0).values
        across = (place - eyeball) / scale
        across = across * (0.95 / across.norm(dim=1, keepdim=True).clamp(min=0.95))  # no gaze is seen from the side
        return to_angles(torch.cat([across, -(1 - across.square().sum(1, keepdim=True)).sqrt()], 1))

    def ellipses(self, grey: Tensor) -> Tensor:
        """The iris in each image (N, H, W) in 0..1: x, y of its centre and its longer semi-axis, (N, 3) in pixels."""
        circles = self._circles(grey)
        points, weights = _edges(grey, circles)
        return _consensus(points, weights, circles)

    def _circles(self, grey: Tensor) -> Tensor:
        """The best ring of each image, (N, 3) x, y, radius: dark within, and brighter outside of left and right side.

        Daugman's operator, with the worse of both sides, as the corner of an eye has but one; above and below are lids.
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
        score = torch.minimum(left, right) - inside - AT_THE_BORDER * (y[:, None] + x)
        best = score.flatten(1).argmax(1)
        return torch.stack([best % width, best // width % height, radii[best // (height * width)]], 1).float()


def _mean(weights: Tensor) -> Tensor:
    """Kernels (K, h, w), each of which averages."""
    return weights / weights.sum((1, 2), keepdim=True)


def _edges(grey: Tensor, circles: Tensor) -> tuple[Tensor, Tensor]:
    """Where brightness rises most along each ray from a circle's centre, (N, RAYS, 2) x, y; and how much, (N, RAYS)."""
    angles = torch.arange(RAYS) * (2 * pi / RAYS)
    rays = torch.stack([angles.cos(), angles.sin()], 1)
    along = torch.linspace(0.6, 1.4, STEPS)
    reach = circles[:, 2, None, None, None] * along[:, None]  # (N, 1, STEPS, 1)
    at = circles[:, None, None, :2] + reach * rays[:, None]  # (N, RAYS, STEPS, 2)
    size = at.new_tensor([grey.shape[2], grey.shape[1]])
    seen = F.grid_sample(grey[:, None], (2 * at + 1) / size - 1, padding_mode="border", align_corners=False)[:, 0]
    rise = F.pad(seen[:, :, 3:] - seen[:, :, :-3], (1, 2))
    height, where = rise.max(2)
    # Between the steps, at the top of the parabola through the highest and its neighbours.
    left, right = (rise.gather(2, (where + d).clamp(0, STEPS - 1)[..., None])[..., 0] for d in (-1, 1))
    bend = (left + right - 2 * height).clamp(max=-1e-6)
    offset = ((left - right) / (2 * bend)).clamp(-0.5, 0.5) + 0.5  # a rise belongs midway between its two places
    step = circles[:, 2:3] * (along[1] - along[0])
    far = circles[:, 2:3] * along[where] + step * offset
    return circles[:, None, :2] + far[..., None] * rays, height.clamp(min=0)


def _consensus(points: Tensor, weights: Tensor, circles: Tensor) -> Tensor:
    """The ellipse that most of the points lie near, (N, 3) centre and longer semi-axis; the circle where none is."""
    n = len(points)
    unit = circles[:, None, 2:3]
    local = (points - circles[:, None, :2]) / unit
    generator = torch.Generator().manual_seed(0)  # the same answer for the same image
    chance = torch.rand(n, DRAWS, RAYS, generator=generator).pow(1 / (weights[:, None] + 1e-3))
    drawn = chance.topk(6, dim=2).indices  # strong edges are drawn more often
    some = local[:, None].expand(n, DRAWS, RAYS, 2).gather(2, drawn[..., None].expand(-1, -1, -1, 2))
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
    """The conic a (x² - y²) + b x y + d x + e y + f = -y² through points (..., K, 2), by least squares, (..., 5).

    The sum of its two squares' factors is 1, which no ellipse is excluded by and turning does not change.
    """
    x, y = points.unbind(-1)
    rows = torch.stack([x * x - y * y, x * y, x, y, torch.ones_like(x)], -1) * weights[..., None]
    normal = rows.mT @ rows
    # Next to nothing, towards a circle of radius 1: what lids cover leaves the ellipse undetermined.
    normal = normal + 1e-3 * weights.square().sum(-1)[..., None, None].clamp(min=1e-6) * torch.eye(5)
    prior = points.new_tensor([0.5, 0.0, 0.0, 0.0, -0.5])
    residual = -(y * y) * weights - (rows @ prior[:, None])[..., 0]
    change: Tensor = torch.linalg.solve(normal, (rows.mT @ residual[..., None])[..., 0])
    return prior + change


def _distance(conic: Tensor, points: Tensor) -> Tensor:
    """Sampson's distance of points (..., K, 2) from conics (..., 5), to first order."""
    a, b, d, e, f = (one[..., None] for one in conic.unbind(-1))
    x, y = points.unbind(-1)
    value = a * x * x + b * x * y + (1 - a) * y * y + d * x + e * y + f
    slope = (2 * a * x + b * y + d).square() + (b * x + 2 * (1 - a) * y + e).square()
    return value.abs() / slope.sqrt().clamp(min=1e-6)


def _axes(conic: Tensor) -> Tensor:
    """Centre x, y, longer and shorter semi-axis (..., 4) of conics (..., 5); nan where one is no ellipse."""
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
    """Whether an ellipse, in units of the circle it was searched around, can be the iris that the circle shows."""
    x, y, longer, shorter = _axes(conic).unbind(-1)
    return ((x * x + y * y) < 0.2) & (longer < 1.35) & (longer > 0.75) & (shorter > 0.6 * longer)
