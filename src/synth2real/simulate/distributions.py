"""What the values of one parameter are sampled from: a range, a normal distribution, or quantiles.

Each is written in a few plain ways, in Python and in YAML: `0.5`, `[0.2, 0.8]`, `{mean: 9, std: 10}`, and
`{quantiles: [0, 3, 4, 9]}`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor

from ..errors import InputError

Range = tuple[float, float]
FORMS = "a number or [low, high], or {mean: ..., std: ...} or {quantiles: [...]}"
SMALLEST = 2.0**-24  # units closer to 0 or 1 are moved here, so that no value is infinite
USUAL = 2.0  # standard deviations to either side of a mean within which values usually are


@dataclass(frozen=True)
class Normal:
    """A normal distribution, truncated to the limits of its parameter.

    Args:
        mean, std: mean and standard deviation before the truncation, in the unit of the parameter. A deviation of 0
            fixes the value.

    Raises:
        InputError: a value is not a finite number, or `std` is negative.
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        if not (is_number(self.mean) and is_number(self.std) and self.std >= 0):
            raise InputError(
                f"Normal has mean {self.mean!r} and std {self.std!r}, expected two finite numbers, std 0 or more"
            )
        object.__setattr__(self, "mean", float(self.mean))
        object.__setattr__(self, "std", float(self.std))

    def at(self, unit: Tensor, limits: Range) -> Tensor:
        """The values (N,) at these probabilities (N,) in 0..1: the inverse of the cumulative distribution."""
        return normal_at(unit, self.mean, self.std, limits)

    def range(self, limits: Range) -> Range:
        """Two standard deviations to either side of the mean, within the limits."""
        return max(limits[0], self.mean - USUAL * self.std), min(limits[1], self.mean + USUAL * self.std)

    def widened(self, factor: float, limits: Range) -> Normal:
        """The same mean, with a standard deviation larger by `factor`, but at most the distance of the limits."""
        return Normal(self.mean, min(self.std * factor, limits[1] - limits[0]))

    def fault(self, limits: Range) -> str:
        """What is wrong with it for a parameter with these limits; empty if nothing is."""
        least, most = limits
        if least <= self.mean <= most and self.std <= most - least:
            return ""
        return f"{{mean, std}} with {least:g} <= mean <= {most:g} and 0 <= std <= {most - least:g}"

    def plain(self) -> dict[str, float]:
        """The same as a mapping, as it is written in YAML."""
        return {"mean": self.mean, "std": self.std}

    def __str__(self) -> str:
        return f"{self.mean:.3g} ± {self.std:.3g}"


@dataclass(frozen=True)
class Empirical:
    """A distribution by its quantiles, such as those of measured values. Linear between them.

    Args:
        quantiles: 2 or more values that do not fall, at equally spaced probabilities: the first at 0, the last at 1.

    Raises:
        InputError: there are fewer than 2 quantiles, one is not a finite number, or one is below the one before.
    """

    quantiles: tuple[float, ...]

    def __post_init__(self) -> None:
        found = self.quantiles
        if not (isinstance(found, list | tuple) and len(found) > 1 and all(map(is_number, found))):
            raise InputError(f"Empirical has quantiles {found!r}, expected 2 or more finite numbers")
        fall = next((i for i in range(1, len(found)) if found[i] < found[i - 1]), None)
        if fall is not None:
            raise InputError(
                f"Empirical has the quantile {found[fall]:g} after {found[fall - 1]:g}, expected values that do not "
                "fall. Sort them"
            )
        object.__setattr__(self, "quantiles", tuple(map(float, found)))

    @classmethod
    def of(cls, values: Tensor, quantiles: int = 41) -> Empirical:
        """The distribution of values (N,), N of 1 or more, with at most this number of quantiles (2 or more)."""
        levels = torch.linspace(0, 1, max(2, min(quantiles, len(values)))).double()
        return cls(tuple(float(f"{value:.6g}") for value in values.double().quantile(levels).tolist()))

    def at(self, unit: Tensor, limits: Range) -> Tensor:
        """The values (N,) at these probabilities (N,) in 0..1: the inverse of the cumulative distribution."""
        values = torch.tensor(self.quantiles, dtype=unit.dtype, device=unit.device)
        place = unit * (len(values) - 1)
        below = place.floor().long().clamp(0, len(values) - 2)
        return torch.lerp(values[below], values[below + 1], place - below)

    def range(self, limits: Range) -> Range:
        """The first and the last quantile."""
        return self.quantiles[0], self.quantiles[-1]

    def widened(self, factor: float, limits: Range) -> Empirical:
        """Each quantile `factor` times as far from the mean, within the limits."""
        mean = self.mean
        return Empirical(
            tuple(min(max(limits[0], mean + factor * (value - mean)), limits[1]) for value in self.quantiles)
        )

    def fault(self, limits: Range) -> str:
        """What is wrong with it for a parameter with these limits; empty if nothing is."""
        least, most = limits
        inside = least <= self.quantiles[0] and self.quantiles[-1] <= most
        return "" if inside else f"quantiles from {least:g} to {most:g}"

    def plain(self) -> dict[str, list[float]]:
        """The same as a mapping, as it is written in YAML."""
        return {"quantiles": list(self.quantiles)}

    @property
    def mean(self) -> float:
        """The mean of the distribution."""
        inner = sum(self.quantiles) - (self.quantiles[0] + self.quantiles[-1]) / 2
        return inner / (len(self.quantiles) - 1)

    @property
    def std(self) -> float:
        """The standard deviation of the distribution."""
        values = torch.tensor(self.quantiles).double()
        low, high = values[:-1] - self.mean, values[1:] - self.mean
        return math.sqrt(float(((low.square() + low * high + high.square()) / 3).mean()))

    def __str__(self) -> str:
        return f"{self.quantiles[0]:.3g} to {self.quantiles[-1]:.3g} (quantiles)"


Sampling = Range | Normal | Empirical  # what values are sampled from; a fixed value v is the range (v, v)


def normal_at(unit: Tensor, mean: float | Tensor, std: float | Tensor, limits: Range) -> Tensor:
    """The values of a truncated normal distribution at probabilities in 0..1. Gradients flow to mean and std."""
    mean, std = (torch.as_tensor(x, dtype=unit.dtype, device=unit.device) for x in (mean, std))
    below, above = (torch.special.ndtr((limit - mean) / std.clamp(min=1e-12)) for limit in limits)
    inner = (below + (above - below) * unit).clamp(SMALLEST, 1 - SMALLEST)
    values: Tensor = mean + std * torch.special.ndtri(inner)
    return values.clamp(*limits)


def is_number(value: object) -> TypeGuard[float]:
    """Whether this is a finite number, and not a truth value."""
    return _is_real(value) and math.isfinite(value)


def _is_real(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_sampling(found: Any) -> Sampling | None:
    """What a user wrote, in any of the forms above; None if it is in no form.

    Raises:
        InputError: it is a distribution with values that it cannot have.
    """
    if isinstance(found, Normal | Empirical):
        return found
    if _is_real(found):
        return float(found), float(found)
    if isinstance(found, list | tuple) and len(found) == 2 and all(map(_is_real, found)):
        return float(found[0]), float(found[1])
    if isinstance(found, Mapping) and set(found) == {"mean", "std"}:
        return Normal(found["mean"], found["std"])
    if isinstance(found, Mapping) and set(found) == {"quantiles"}:
        return Empirical(found["quantiles"])
    return None


def plain(found: float | Sampling) -> float | list[float] | dict[str, Any]:
    """A number, a range or a distribution, as it is written in YAML and JSON."""
    if isinstance(found, Normal | Empirical):
        return found.plain()
    return list(found) if isinstance(found, Sequence) else found


def text(found: Sampling) -> str:
    """`0.62 to 0.8`, or `9 ± 10` for a normal distribution."""
    return str(found) if isinstance(found, Normal | Empirical) else f"{found[0]:.3g} to {found[1]:.3g}"
