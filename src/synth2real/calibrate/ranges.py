"""The search space: a centre and a width for each parameter, in units of the initial range of the simulator.

Normal and empirical distributions are searched alike, and keep their kind. The width of a normal distribution is that
of the uniform one with the same standard deviation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..simulate import Empirical, Normal, Parameter, Range, Sampling, Simulator

REACH = 2.0  # maximum change of a centre, in widths of the initial range
WIDEST = 2.0  # maximum width, in the same unit
DEVIATIONS = math.sqrt(12)  # width of a uniform distribution, in its standard deviations
TRUNCATED = 0.22  # standard deviation of a parameter that is normal within its range, in widths of the range

Kind = Literal["range", "normal"]


@dataclass(frozen=True)
class Space:
    """Search space of P parameters. The initial range of each parameter is its unit.

    A point has the keys `NAME.centre` and `NAME.width`. It may have keys `a ~ b`, the correlations of parameters.

    Args:
        names: names of the parameters.
        before: initial range or distribution of each parameter.
        shapes: the same, or the normal distribution that is searched in its place.
        limits: lowest and highest allowed value of each parameter.
        narrowest: minimum width, in widths of the initial range.
    """

    names: tuple[str, ...]
    before: tuple[Sampling, ...]
    shapes: tuple[Sampling, ...]
    limits: tuple[Range, ...]
    narrowest: float

    @classmethod
    def of(
        cls, simulator: Simulator, names: tuple[str, ...] | None, narrowest: float = 0.0, kind: Kind = "range"
    ) -> Space:
        """The search space of the given parameters, or of all parameters. Fixed parameters are left out.

        Args:
            kind: `range` keeps the kind of each distribution. `normal` searches a mean and a standard deviation for
                each range in which the values are uniform or normal.
        """
        known = {parameter.name: parameter for parameter in simulator.parameters}
        free = [
            name for name in (known if names is None else names) if simulator.range(name)[0] < simulator.range(name)[1]
        ]
        before = tuple(simulator.sampling(name) for name in free)
        shapes = tuple(map(_normal, (known[name] for name in free), before)) if kind == "normal" else before
        return cls(tuple(free), before, shapes, tuple(known[name].limits for name in free), narrowest)

    @property
    def own(self) -> tuple[Range, ...]:
        """Initial range of each parameter; see `span`."""
        return tuple(map(span, self.shapes))

    def range(self, index: int, centre: float, width: float) -> Range:
        """The range for a centre and a width, both in widths of the initial range. It stays within the limits.

        Only the mean of a normal distribution stays within the limits, because they truncate it.
        """
        (low, high), (least, most) = span(self.shapes[index]), self.limits[index]
        half = min(width * (high - low), most - least) / 2
        middle = (low + high) / 2 + centre * (high - low)
        if isinstance(self.shapes[index], Normal):
            middle = min(max(middle, least), most)
            return middle - half, middle + half
        middle = min(max(middle, least + half), most - half)
        return max(least, middle - half), min(most, middle + half)

    def sampling(self, index: int, centre: float, width: float) -> Sampling:
        """The range or distribution for a centre and a width; see `range`."""
        (low, high), shape = self.range(index, centre, width), self.shapes[index]
        if isinstance(shape, Normal):
            return Normal((low + high) / 2, (high - low) / DEVIATIONS)
        if isinstance(shape, Empirical):
            first, last = span(shape)
            scale = (high - low) / (last - first)
            moved = (low + (value - first) * scale for value in shape.quantiles)
            return Empirical(tuple(min(max(value, low), high) for value in moved))
        return low, high

    def ranges(self, point: dict[str, float]) -> dict[str, Sampling]:
        """The range or distribution of each parameter for the point."""
        return {
            name: self.sampling(i, point[f"{name}.centre"], point[f"{name}.width"]) for i, name in enumerate(self.names)
        }

    def correlations(self, point: dict[str, float]) -> dict[str, float]:
        """The correlations of the point."""
        return {key: value for key, value in point.items() if "~" in key}

    def applied(self, simulator: Simulator, point: dict[str, float]) -> Simulator:
        """The simulator with the ranges, distributions and correlations of the point."""
        return simulator.with_ranges(**self.ranges(point)).with_correlations(self.correlations(point))

    def start(self) -> dict[str, float]:
        """The point of the initial ranges."""
        return {f"{name}.centre": 0.0 for name in self.names} | {f"{name}.width": 1.0 for name in self.names}

    def vector(self, point: dict[str, float]) -> Tensor:
        """(2P,) float64: all centres, then all widths."""
        return torch.tensor([point[key] for key in self.start()], dtype=torch.float64)

    def point(self, vector: Tensor) -> dict[str, float]:
        """Inverse of `vector`, clipped to the search space and to the limits, without correlations."""
        bounded = dict(zip(self.start(), vector.tolist(), strict=True))
        for i, name in enumerate(self.names):
            width = min(max(bounded[f"{name}.width"], self.narrowest), WIDEST)
            low, high = self.range(i, min(max(bounded[f"{name}.centre"], -REACH), REACH), width)
            own = self.own[i]
            bounded[f"{name}.width"] = width
            centre = ((low + high) / 2 - sum(own) / 2) / (own[1] - own[0])
            bounded[f"{name}.centre"] = min(max(centre, -REACH), REACH)
        return bounded

    def wide(self, factor: float) -> dict[str, Range]:
        """Each initial range, widened by `factor` around its centre, within the limits."""
        found = {}
        for name, (low, high), (least, most) in zip(self.names, self.own, self.limits, strict=True):
            middle, half = (low + high) / 2, (high - low) / 2 * factor
            found[name] = (max(least, middle - half), min(most, middle + half))
        return found

    def units(self, values: dict[str, Tensor]) -> Tensor:
        """Parameter values (N, P) float32, relative to the centre of the initial range, in widths of that range."""
        return torch.stack(
            [
                (values[n] - (low + high) / 2) / (high - low)
                for n, (low, high) in zip(self.names, self.own, strict=True)
            ],
            1,
        )


def span(sampling: Sampling) -> Range:
    """A range itself; the range with the same mean and standard deviation as a normal distribution; all quantiles."""
    if isinstance(sampling, Normal):
        half = sampling.std * DEVIATIONS / 2
        return sampling.mean - half, sampling.mean + half
    return (sampling.quantiles[0], sampling.quantiles[-1]) if isinstance(sampling, Empirical) else sampling


def _normal(parameter: Parameter, sampling: Sampling) -> Sampling:
    """The normal distribution with the mean and the standard deviation of a uniform or normal range."""
    if not isinstance(sampling, tuple) or parameter.distribution not in ("uniform", "normal"):
        return sampling
    low, high = sampling
    share = TRUNCATED if parameter.distribution == "normal" else 1 / DEVIATIONS
    return Normal((low + high) / 2, (high - low) * share)
