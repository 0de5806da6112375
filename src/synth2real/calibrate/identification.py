"""Quality of a calibration: which parameters the real images constrain, and which images no setting can render."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Unlabelled, to_float
from ..simulate import Simulator
from ..storage import whole
from .base import Calibration, Calibrator, shuffled
from .combinations import Combination, combinations
from .given import with_given
from .image_statistics import measure
from .ranges import REACH, Space, span
from .response import Response

CONSTRAINED, WEAKLY = 0.1, 0.4  # maximum standard errors of a centre, in widths of the initial range, for each verdict
ALIKE = 0.7  # minimum correlation between the errors of two centres to call the parameters alike
FARTHEST = 24  # number of images in the result
USUAL = 0.99  # quantile of the distances between rendered images; real images beyond it are out of reach

Verdict = Literal["constrained", "weakly", "not"]


@dataclass(frozen=True)
class Constraint:
    """How well the real images determine one parameter.

    Args:
        name: name of the parameter.
        error: standard error of the centre of its range, in widths of the initial range; 1 if the images contain no
            information about it.
        verdict: whether the real images constrain the parameter.
        like: another parameter with the same effect on the images; empty if there is none.
    """

    name: str
    error: float
    verdict: Verdict
    like: str


@dataclass(frozen=True)
class Identification:
    """Result of `identify`.

    Args:
        constraints: one per searched parameter.
        farthest: target indices of the images that are farthest from all rendered images, the farthest first.
        nearest: (K, C, H, W) uint8, the rendered image that is nearest to each of them.
        combinations: sums of parameters that the images constrain, of parameters that are not constrained alone.
        unreached: share of the real images whose distance to the nearest rendered image is larger than usual. Usual is
            the 99 percent quantile of the distance between a rendered image and its nearest neighbour.
    """

    constraints: tuple[Constraint, ...]
    farthest: tuple[int, ...]
    nearest: Tensor
    unreached: float
    combinations: tuple[Combination, ...] = ()


def identify(search: Calibrator, simulator: Simulator, target: Unlabelled, calibration: Calibration) -> Identification:
    """Evaluate a calibration.

    The error of a centre comes from a `Response` around the new ranges. The prior is one width of the initial range,
    and the discrepancy is the one with the largest evidence. The error therefore includes parameters that can replace
    each other, and effects that the simulator cannot render. In a test, 46 of 50 intervals of 95 percent contained the
    hidden centre.

    Images are compared by their statistics and pixels, each divided by its standard deviation over the rendered images.
    Half of the rendered images come from the new ranges, half from all values that the search can reach. If a real
    image is far from all of them, no setting of the simulator renders it.

    Args:
        search: the calibration method that was run; its seed and its number of images are used.
        simulator: the simulator with its initial ranges.
        target: the target of the calibration.
        calibration: the result of the calibration.
    """
    space, simulator = search.space(simulator, target), with_given(simulator, target)
    real = shuffled(target, search.seed)[: search.rendered // 2]
    images = target.inputs[real]
    about = {name: _grown(span(calibration.ranges[name]), own, limits) for name, own, limits in _parts(space)}
    response = Response.learn(space, simulator.with_ranges(**about), images, search.rendered, search.seed + 4)
    widest = simulator.with_ranges(**space.wide(1 + 2 * REACH))
    half = search.rendered // 4
    made = torch.cat([s.sample(half, search.seed + 5).images for s in (calibration.simulator, widest)])
    far, near, unreached = _unreached(images, made)
    found = tuple(int(real[i]) for i in far.tolist())
    covariance = response.infer_centres(prior=1.0).covariance
    widths = [high - low for low, high in space.own]
    sums = combinations(space.names, widths, covariance, CONSTRAINED)
    return Identification(_constraints(space, covariance), found, made[near], unreached, sums)


def _parts(space: Space) -> list[tuple[str, tuple[float, float], tuple[float, float]]]:
    return list(zip(space.names, space.own, space.limits, strict=True))


def _grown(found: tuple[float, float], own: tuple[float, float], limits: tuple[float, float]) -> tuple[float, float]:
    """The range, extended on each side by three tenths of the initial width, within the limits."""
    margin = 0.3 * (own[1] - own[0])
    return max(limits[0], found[0] - margin), min(limits[1], found[1] + margin)


def _constraints(space: Space, covariance: Tensor) -> tuple[Constraint, ...]:
    """Constraint of each parameter, from the covariance (P, P) of the centres."""
    error = covariance.diagonal().sqrt()
    alike = (covariance / error / error[:, None]).abs().fill_diagonal_(0)
    found = []
    for i, name in enumerate(space.names):
        at, worst = float(error[i]), int(alike[i].argmax())
        verdict: Verdict = "constrained" if at <= CONSTRAINED else "weakly" if at <= WEAKLY else "not"
        like = space.names[worst] if verdict != "constrained" and alike[i, worst] > ALIKE else ""
        found.append(Constraint(name, at, verdict, like))
    return tuple(found)


def _unreached(real: Tensor, made: Tensor) -> tuple[Tensor, Tensor, float]:
    """Indices of the farthest real images, of their nearest rendered images, and the share beyond `USUAL`."""
    x, y = (torch.cat([measure(part) for part in images.split(500)]) for images in (real, made))
    scale = y.std(0).clamp(min=1e-3)
    x, y = ((z - y.mean(0)) / scale for z in (x, y))
    distance, nearest = torch.cdist(x, y).min(1)
    among = torch.cdist(y, y).fill_diagonal_(float("inf")).min(1).values
    share = float((distance > among.quantile(USUAL)).float().mean())
    far = distance.argsort(descending=True)[:FARTHEST]
    return far, nearest[far], share


def sheet(real: Tensor, made: Tensor, path: Path, across: int = 6) -> None:
    """Write a PNG of image pairs: a real image, and to its right the nearest rendered image.

    Args:
        real, made: (K, C, H, W), uint8 or float32 in 0..1.
        path: file to write.
        across: pairs per row.
    """
    from PIL import Image

    pairs = torch.cat([to_float(real), to_float(made)], 3)
    times = max(1, round(48 / min(real.shape[2:])))
    pairs = F.interpolate(pairs, scale_factor=times, mode="nearest")
    pairs = F.pad(pairs.expand(-1, 3, -1, -1), (0, 8, 0, 8), value=1.0)
    missing = -len(pairs) % across
    pairs = torch.cat([pairs, torch.ones(missing, *pairs.shape[1:])])
    count, channels, height, width = pairs.shape
    rows = pairs.view(count // across, across, channels, height, width).permute(0, 3, 1, 4, 2)
    pixels = (rows.reshape(count // across * height, across * width, channels) * 255).round().numpy().astype(np.uint8)
    with whole(path) as partial:
        Image.fromarray(pixels).save(partial)
