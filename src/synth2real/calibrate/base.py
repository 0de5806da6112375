"""What every calibration is given and gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..domains import Unlabelled
from ..errors import InputError
from ..settings import to_dict
from ..simulate import Range, Simulator
from .ranges import Space

FEWEST = 8  # images of the target, an eighth of which judge

OnTrial = Callable[[int, int, float], None]
Distance = Callable[[Tensor, Tensor], float]  # of rendered and real images


@dataclass(frozen=True)
class Calibration:
    """What was found.

    Args:
        simulator: with the ranges found.
        ranges_before: what each searched parameter was drawn from as given.
        ranges: as found; those before where nothing nearer was found.
        before, after: distance to the real images with the simulator's own ranges and with the new ones, on images
            that the search has not seen.
        trials: the distance of each trial, or at the begin of each round, in order.
        discrepancy: by how much the mean real image is off from what any ranges render, in deviations of single
            images; None where this was not asked.
    """

    simulator: Simulator
    ranges_before: dict[str, Range]
    ranges: dict[str, Range]
    before: float
    after: float
    trials: tuple[float, ...]
    discrepancy: float | None = None

    @property
    def moved(self) -> bool:
        """Whether ranges were found that are nearer than those given."""
        return self.ranges != self.ranges_before


def compared(
    simulator: Simulator,
    space: Space,
    ranges: dict[str, Range],
    distance: Distance,
    real: Tensor,
    images: int,
    seed: int,
    trials: tuple[float, ...],
    discrepancy: float | None = None,
) -> Calibration:
    """Both simulators beside real images that the search has not seen: ranges that are no nearer are not taken.

    Args:
        ranges: that were found.
        distance: between `images` rendered from `seed` and the `real` ones.
    """
    own = dict(zip(space.names, space.own, strict=True))
    found = simulator.with_ranges(**ranges)
    before, after = (distance(s.sample(images, seed).images, real) for s in (simulator, found))
    if after >= before:
        return Calibration(simulator, own, own, before, before, trials, discrepancy)
    return Calibration(found, own, ranges, before, after, trials, discrepancy)


def refuse_unfit(
    simulator: Simulator, target: Unlabelled, parameters: tuple[str, ...] | None, narrowest: float = 0.0
) -> Space:
    """The space that is searched, or an `InputError` where the simulator cannot be compared with the target."""
    expected = (simulator.channels, *simulator.size)
    if target.shape != expected:
        raise InputError(
            f"calibrate compares images of one shape: the target has {target.shape}, the simulator renders {expected}"
        )
    if len(target) < FEWEST:
        raise InputError(f"calibrate found {len(target)} images in the target, expected {FEWEST} at least")
    space = Space.of(simulator, parameters, narrowest)
    if not space.names:
        raise InputError("calibrate found no parameter to search: each stays at one value, expected a range of some")
    return space


def shuffled(target: Unlabelled, seed: int) -> Tensor:
    """The places of the target's images, in an order that follows from the seed."""
    return torch.randperm(len(target), generator=torch.Generator().manual_seed(seed))


def parted(target: Unlabelled, most: int, held: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) of the target: `most` at most to calibrate by, and `held`, or an eighth, to judge by."""
    order = shuffled(target, seed)
    first = len(order) - min(held, len(order) // 8)
    return target.inputs[order[:first][:most]], target.inputs[order[first:]]


def made_by(
    name: str, method: Any, simulator: Simulator, target: Unlabelled, without: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What the trials of a study follow from, as plain data.

    Args:
        name: of the method.
        without: settings of the method that a study may be gone on with under another value.
    """
    some = target.inputs[torch.linspace(0, len(target) - 1, min(len(target), 100)).long()]
    return {
        "method": name,
        "simulator": {"class": type(simulator).__name__, **to_dict(simulator)},
        "calibrate": {key: value for key, value in to_dict(method).items() if key not in without},
        "target": [len(target), float(some.double().mean()), float(some.double().std())],
    }
