"""What a calibration is worth: which parameters the real images constrain, and which images no setting reaches."""

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
from .base import Calibration, Calibrator, shuffled
from .ranges import REACH, Space
from .response import Response
from .statistics import measure

CONSTRAINED, WEAKLY = 0.1, 0.4  # greatest standard errors of a centre, in own widths, that are called so
ALIKE = 0.7  # correlation of the errors of two centres from which on they are called alike
FARTHEST = 24  # images shown
USUAL = 0.99  # share of the rendered images that lie nearer to others than what counts as unreached

Verdict = Literal["constrained", "weakly", "not"]


@dataclass(frozen=True)
class Constraint:
    """What the real images say of one parameter.

    Args:
        name: of the parameter.
        error: standard error of the centre of its range, in widths of the simulator's own; 1 where nothing is known.
        verdict: whether the real images constrain it.
        like: another parameter, that it can stand in for; empty where there is none.
    """

    name: str
    error: float
    verdict: Verdict
    like: str


@dataclass(frozen=True)
class Identification:
    """See `identify`.

    Args:
        constraints: one a parameter searched.
        farthest: places in the target of the images that are farthest from every rendered one, the farthest first.
        nearest: (K, C, H, W) uint8, the rendered image nearest to each of them.
        unreached: share of the real images that are farther from every rendered one than rendered ones are from each
            other (one in a hundred of which are).
    """

    constraints: tuple[Constraint, ...]
    farthest: tuple[int, ...]
    nearest: Tensor
    unreached: float


def identify(search: Calibrator, simulator: Simulator, target: Unlabelled, calibration: Calibration) -> Identification:
    """Judge a calibration.

    The error of a centre is that of `Response` about the ranges found, with a prior of one own width and the
    discrepancy of greatest evidence; so that it counts what two parameters can do in each other's place, and what the
    simulator cannot do at all. Of the intervals of 95 percent by it 46 of 50 held hidden centres.

    Images are compared by their statistics and pixels, each in units of its deviation over the rendered ones, of which
    half are drawn from the ranges found and half from all that the search could have reached: what is far from these,
    no setting of the simulator makes.

    Args:
        search: that was run, for its seed and its number of images.
        simulator: as it was given to the search.
    """
    space = Space.of(simulator, search.parameters)
    real = shuffled(target, search.seed)[: search.rendered // 2]
    images = target.inputs[real]
    about = {name: _grown(calibration.ranges[name], own, limits) for name, own, limits in _parts(space)}
    response = Response.learn(space, simulator.with_ranges(**about), images, search.rendered, search.seed + 4)
    widest = simulator.with_ranges(**space.wide(1 + 2 * REACH))
    half = search.rendered // 4
    made = torch.cat([s.sample(half, search.seed + 5).images for s in (calibration.simulator, widest)])
    far, near, unreached = _unreached(images, made)
    found = tuple(int(real[i]) for i in far.tolist())
    constraints = _constraints(space, response.believe(prior=1.0).covariance)
    return Identification(constraints, found, made[near], unreached)


def _parts(space: Space) -> list[tuple[str, tuple[float, float], tuple[float, float]]]:
    return list(zip(space.names, space.own, space.limits, strict=True))


def _grown(found: tuple[float, float], own: tuple[float, float], limits: tuple[float, float]) -> tuple[float, float]:
    """A range grown by three tenths of an own width on either side, within the limits."""
    room = 0.3 * (own[1] - own[0])
    return max(limits[0], found[0] - room), min(limits[1], found[1] + room)


def _constraints(space: Space, covariance: Tensor) -> tuple[Constraint, ...]:
    """What a covariance (P, P) of the centres says of each."""
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
    """Places of the farthest real images, of the rendered ones nearest to them, and the share beyond what is usual."""
    x, y = (torch.cat([measure(part) for part in images.split(500)]) for images in (real, made))
    scale = y.std(0).clamp(min=1e-3)
    x, y = ((z - y.mean(0)) / scale for z in (x, y))
    distance, nearest = torch.cdist(x, y).min(1)
    among = torch.cdist(y, y).fill_diagonal_(float("inf")).min(1).values
    share = float((distance > among.quantile(USUAL)).float().mean())
    far = distance.argsort(descending=True)[:FARTHEST]
    return far, nearest[far], share


def sheet(real: Tensor, made: Tensor, path: Path, across: int = 6) -> None:
    """Write a PNG of pairs: a real image, and right of it the rendered one nearest to it.

    Args:
        real, made: (K, C, H, W), uint8 or float32 in 0..1.
        across: pairs in a row.
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
    Image.fromarray(pixels).save(path)
