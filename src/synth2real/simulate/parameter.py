"""Parameters of simulators, and the files of what their values are sampled from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from torch import Tensor

from ..errors import InputError
from ..settings import read_yaml
from ..storage import write_text
from .distributions import FORMS, Empirical, Normal, Range, Sampling, plain, read_sampling

Distribution = Literal["uniform", "log-uniform", "normal", "integer"]
CORRELATIONS = "correlations"  # key of the correlations in a file of parameters


@dataclass(frozen=True)
class Parameter:
    """One named quantity of a simulator.

    Args:
        name, unit, description: texts for reports. `name` is also the key in `ranges`.
        limits: lowest and highest meaningful value.
        default: what the values are sampled from if `ranges` has nothing: a range, or a distribution. For a fixed
            value, low equals high.
        distribution: distribution within a range. `uniform`; `log-uniform`, for a positive quantity; `normal`, with its
            mean at the centre and truncated at two standard deviations, which are the ends of the range; `integer`,
            whole numbers with equal probability.

    Raises:
        InputError: the default is outside the limits, the lower limit of a log-uniform parameter is not positive, or
            the name is `correlations` or has a `~`.
    """

    name: str
    unit: str
    description: str
    limits: Range
    default: Sampling
    distribution: Distribution = "uniform"

    def __post_init__(self) -> None:
        if self.name == CORRELATIONS or "~" in self.name:
            raise InputError(f"parameter '{self.name}' has a name that is kept for correlations. Rename it")
        if self.distribution == "log-uniform" and self.limits[0] <= 0:
            raise InputError(
                f"parameter '{self.name}' is log-uniform with the lower limit {self.limits[0]:g}, expected above 0"
            )
        self.check(self.default, "parameter")

    def check(self, found: Any, where: str) -> None:
        """Raise `InputError` if values cannot be sampled from what was found. `where` begins its message."""
        least, most = self.limits
        unit = f" ({self.unit})" if self.unit else ""
        given = list(found) if isinstance(found, tuple) else found
        try:
            sampling = read_sampling(found)
        except InputError as error:
            raise InputError(f"{where} {self.name}: {error}") from None
        if isinstance(sampling, Normal | Empirical):
            fault = sampling.fault(self.limits)
            if fault:
                raise InputError(f"{where} {self.name} is {plain(sampling)!r}, expected {fault}{unit}")
            return
        if sampling is None and isinstance(found, Mapping):
            raise InputError(f"{where} {self.name} is {given!r}, expected {FORMS}")
        if sampling is None or not least <= sampling[0] <= sampling[1] <= most:
            raise InputError(
                f"{where} {self.name} is {given!r}, expected a number or [low, high] with "
                f"{least:g} <= low <= high <= {most:g}{unit}"
            )

    def at(self, unit: Tensor, sampling: Sampling) -> Tensor:
        """Map uniform `unit` (N,) in 0..1 to values (N,) of a range or a distribution."""
        if isinstance(sampling, tuple):
            return self.draw(unit, *sampling)
        values = sampling.at(unit, self.limits)
        if self.distribution == "integer":
            return values.round().clamp(math.ceil(self.limits[0]), math.floor(self.limits[1]))
        return values

    def draw(self, unit: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
        """Map uniform `unit` in 0..1 to values between low and high. Gradients flow to low and high."""
        if self.distribution == "log-uniform":
            return low * (torch.as_tensor(high) / low) ** unit
        if self.distribution == "normal":
            edge = 0.5 * math.erfc(2 / math.sqrt(2))
            unit = torch.special.ndtri(edge + (1 - 2 * edge) * unit) / 4 + 0.5
        elif self.distribution == "integer":
            first = math.ceil(low)
            return first + (unit * (math.floor(high) - first + 1)).floor().clamp(max=max(0, math.floor(high) - first))
        return low + (high - low) * unit

    def widened(self, sampling: Sampling, factor: float) -> float | Sampling:
        """A range or distribution, scaled by `factor` about its centre and clipped to the limits."""
        if not isinstance(sampling, tuple):
            return sampling.widened(factor, self.limits)
        if sampling[0] == sampling[1]:
            return sampling[0]
        centre, half = sum(sampling) / 2, (sampling[1] - sampling[0]) / 2 * factor
        return max(self.limits[0], centre - half), min(self.limits[1], centre + half)

    def range(self, sampling: Sampling) -> Range:
        """Between which values most of its values are: a range itself, or `range` of a distribution."""
        return sampling if isinstance(sampling, tuple) else sampling.range(self.limits)


def load_parameters(path: str | Path) -> dict[str, Any]:
    """Settings of a simulator from a YAML file: `ranges`, and `correlations`.

    The lines are `parameter: value`, `parameter: [low, high]`, `parameter: {mean: 9, std: 10}` or
    `parameter: {quantiles: [0, 3, 9]}`. The line `correlations:` is followed by lines such as `first ~ second: 0.5`.

        simulator("digits", **load_parameters("params.yaml"))

    Raises:
        InputError: the file is missing, is not a YAML mapping, or has a value of another form.
    """
    lines = read_yaml(Path(path), "lines such as 'height: [0.5, 0.9]'")
    correlations = lines.pop(CORRELATIONS, None) or {}
    if not isinstance(correlations, dict):
        raise InputError(f"{path}: correlations is {correlations!r}, expected lines such as 'height ~ blur: 0.5'")
    ranges: dict[str, float | Sampling] = {}
    for name, value in lines.items():
        try:
            sampling = read_sampling(value)
        except InputError as error:
            raise InputError(f"{path}: parameter '{name}': {error}") from None
        if sampling is None:
            raise InputError(f"{path}: parameter '{name}' is {value!r}, expected {FORMS}")
        ranges[str(name)] = float(value) if isinstance(value, int | float) else sampling
    return {"ranges": ranges, CORRELATIONS: {str(key): value for key, value in correlations.items()}}


def save_parameters(
    ranges: Mapping[str, float | Sampling], path: str | Path, correlations: Mapping[str, float] | None = None
) -> None:
    """Write ranges, distributions and correlations as YAML in the format of `load_parameters`."""
    write_text(Path(path), parameters_yaml(ranges, correlations))


def parameters_yaml(ranges: Mapping[str, float | Sampling], correlations: Mapping[str, float] | None = None) -> str:
    """The content of the file that `save_parameters` writes."""
    lines: dict[str, Any] = {name: plain(value) for name, value in ranges.items()}
    blocks = [yaml.safe_dump(lines, sort_keys=False, default_flow_style=None, width=120)]
    if correlations:
        blocks.append(yaml.safe_dump({CORRELATIONS: dict(correlations)}, sort_keys=False, default_flow_style=False))
    return "".join(blocks)
