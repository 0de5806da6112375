"""The search space: a centre and a width for each parameter, in units of the initial range of the simulator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..simulate import Range, Simulator

REACH = 2.0  # maximum change of a centre, in widths of the initial range
WIDEST = 2.0  # maximum width, in the same unit


@dataclass(frozen=True)
class Space:
    """Search space of P parameters. The initial range of each parameter is its unit.

    Args:
        names: names of the parameters.
        own: initial range of each parameter.
        limits: lowest and highest allowed value of each parameter.
        narrowest: minimum width, in widths of the initial range.
    """

    names: tuple[str, ...]
    own: tuple[Range, ...]
    limits: tuple[Range, ...]
    narrowest: float

    @classmethod
    def of(cls, simulator: Simulator, names: tuple[str, ...] | None, narrowest: float = 0.0) -> Space:
        """The search space of the given parameters, or of all parameters. Fixed parameters are left out."""
        known = {parameter.name: parameter.limits for parameter in simulator.parameters}
        free = [name for name in names or known if simulator.range(name)[0] < simulator.range(name)[1]]
        own = tuple(simulator.range(name) for name in free)
        return cls(tuple(free), own, tuple(known[name] for name in free), narrowest)

    def range(self, index: int, centre: float, width: float) -> Range:
        """The range for a centre and a width, both in widths of the initial range. It stays within the limits."""
        (low, high), (least, most) = self.own[index], self.limits[index]
        half = min(width * (high - low), most - least) / 2
        middle = (low + high) / 2 + centre * (high - low)
        middle = min(max(middle, least + half), most - half)
        return max(least, middle - half), min(most, middle + half)

    def ranges(self, point: dict[str, float]) -> dict[str, Range]:
        """The range of each parameter for the point with the keys `NAME.centre` and `NAME.width`."""
        return {
            name: self.range(i, point[f"{name}.centre"], point[f"{name}.width"]) for i, name in enumerate(self.names)
        }

    def start(self) -> dict[str, float]:
        """The point of the initial ranges."""
        return {f"{name}.centre": 0.0 for name in self.names} | {f"{name}.width": 1.0 for name in self.names}

    def vector(self, point: dict[str, float]) -> Tensor:
        """(2P,) float64: all centres, then all widths."""
        return torch.tensor([point[key] for key in self.start()], dtype=torch.float64)

    def point(self, vector: Tensor) -> dict[str, float]:
        """Inverse of `vector`, clipped to the search space and to the limits."""
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
