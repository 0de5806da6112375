"""Given columns of the target: known of every real image, so they fix what the simulator samples, without a search."""

from __future__ import annotations

import itertools
import warnings

import torch
from torch import Tensor

from ..data.domains import Unlabelled
from ..errors import InputError
from ..simulate import Empirical, Parameter, Sampling, Simulator
from ..simulate.correlations import pair_key

IMAGES = 100  # rendered images that show how a label column follows from a parameter
EXACT = 1e-2  # largest departure of a label column from a line, as a share of its change over the range
USUAL = (0.03, 100.0)  # usual spread of a column, in spreads of the simulator's default
HIGHEST = 0.99  # largest correlation, because two columns may hold the same values


def with_given(simulator: Simulator, target: Unlabelled) -> Simulator:
    """The simulator with the distribution of the target's given columns: their quantiles, and their correlations.

    A column belongs to the parameter of the same name. If it is also a label column of the simulator, it is that label,
    with its unit, such as radians; else it has the unit of the parameter.

    Raises:
        InputError: the simulator has no such parameter, or a value is outside its limits.
    """
    values = given_values(simulator, target)
    if not values:
        return simulator
    fixed: dict[str, Sampling] = {}
    for name, column in values.items():
        low, high = float(column.min()), float(column.max())
        fixed[name] = Empirical.of(column) if low < high else (low, high)
    varied = [name for name, sampling in fixed.items() if isinstance(sampling, Empirical)]
    if len(varied) < 2:
        return simulator.with_ranges(**fixed)
    scores = torch.stack([_normal_scores(values[name]) for name in varied])
    found = torch.corrcoef(scores).clamp(-HIGHEST, HIGHEST)
    pairs = itertools.combinations(range(len(varied)), 2)
    correlations = {pair_key(varied[i], varied[j]): round(float(found[i, j]), 3) for i, j in pairs}
    return simulator.with_ranges(**fixed).with_correlations(correlations)


def given_values(simulator: Simulator, target: Unlabelled) -> dict[str, Tensor]:
    """For each given column of the target its values (N,) float64, in the unit of the parameter of the same name.

    Raises:
        InputError: as in `with_given`.
    """
    known = {parameter.name: parameter for parameter in simulator.parameters}
    lacking = [name for name in target.given_columns if name not in known]
    if lacking:
        raise InputError(
            f"calibrate: the given columns {', '.join(lacking)} are no parameters of the simulator "
            f"{simulator.called()}, expected some of: {', '.join(known)}. Leave them out of --given (given= in Python)"
        )
    if target.given is None:
        return {}
    found = {}
    for name, column in zip(target.given_columns, target.given.double().unbind(1), strict=True):
        values, (least, most) = _as_parameter(column, simulator, known[name]), known[name].limits
        outside = (values < least) | (values > most)
        if outside.any():
            row = int(outside.int().argmax())
            raise InputError(
                f"calibrate: the given column '{name}' has {float(column[row]):g} in row {row}. This is "
                f"{float(values[row]):g}{_unit(known[name])} for the simulator {simulator.called()}, expected "
                f"{least:g} to {most:g}. Convert the column to the unit of the simulator's column"
            )
        found[name] = values
    return found


def warn_of_units(simulator: Simulator, target: Unlabelled) -> None:
    """Warn of given columns that vary far less or far more than the simulator's default: a unit may be wrong."""
    defaults, values, levels = simulator.defaults(), given_values(simulator, target), torch.linspace(0, 1, 1001)[1:-1]
    for parameter in simulator.parameters:
        if parameter.name not in values:
            continue
        usual = float(parameter.at(levels, defaults[parameter.name]).std())
        spread = float(values[parameter.name].std(correction=0))
        if usual > 0 and not USUAL[0] <= spread / usual <= USUAL[1]:
            unit = _unit(parameter)
            warnings.warn(
                f"the given column '{parameter.name}' has a standard deviation of {spread:.2g}{unit}, the simulator's "
                f"default {usual:.2g}{unit}. If the column is in another unit than that of the simulator, convert it",
                stacklevel=4,
            )


def _as_parameter(column: Tensor, simulator: Simulator, parameter: Parameter) -> Tensor:
    """Values (N,) of a given column in the unit of the parameter.

    How the label column of the same name follows from the parameter is seen in rendered images: the label may have
    another unit, and it may be the sum of the parameter and of others, such as the angle of the published head and that
    of the face. The mean of the others is subtracted, and the spread is reduced by theirs.
    """
    label = next((label for label, columns in simulator.columns.items() if parameter.name in columns), None)
    if label is None:
        return column
    slope, rest = _relation(simulator, parameter, label)
    values = (column - rest.mean()) / slope
    spread, others = values.std(correction=0), (rest / slope).std(correction=0)
    share = (1 - (others / spread.clamp(min=1e-12)).square()).clamp(min=0).sqrt() if spread > 0 else 1
    return values.mean() + share * (values - values.mean())


def _relation(simulator: Simulator, parameter: Parameter, label: str) -> tuple[float, Tensor]:
    """Change of a label column per change of the parameter, and the rest of the column (M,), which others determine."""
    name, default = parameter.name, simulator.defaults()[parameter.name]
    ends = parameter.range(default) if parameter.range(default)[0] < parameter.range(default)[1] else parameter.limits
    units = simulator.units(simulator.generator(0))
    drawn = {one.name: one.at(units[one.name][:IMAGES], simulator.sampling(one.name)) for one in simulator.parameters}
    index = simulator.columns[label].index(name)
    low, middle, high = (
        simulator.render(drawn | {name: torch.full_like(drawn[name], at)}, simulator.generator(1)).labels[label]
        for at in (ends[0], sum(ends) / 2, ends[1])
    )
    low, middle, high = (one[:, index].double().cpu() for one in (low, middle, high))
    known = low.isfinite() & middle.isfinite() & high.isfinite()
    low, middle, high = low[known], middle[known], high[known]
    change = float((high - low).mean()) if len(low) else 0.0
    errors = torch.cat([high - low - change, middle - low - change / 2])
    if change == 0 or float(errors.abs().max()) > EXACT * abs(change):
        raise InputError(
            f"calibrate: the label column '{name}' of the simulator {simulator.called()} is not in proportion to its "
            f"parameter '{name}', so a given column does not say what to render. Leave it out of --given (given= in "
            "Python)"
        )
    slope = change / (ends[1] - ends[0])
    return slope, low - slope * ends[0]


def _unit(parameter: Parameter) -> str:
    return f" {parameter.unit}" if parameter.unit else ""


def _normal_scores(values: Tensor) -> Tensor:
    """The normal values (N,) with the ranks of these values; equal values have their mean rank."""
    _, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0)
    rank = (last - (counts - 1) / 2)[inverse]
    scores: Tensor = torch.special.ndtri((rank.double() - 0.5) / len(values))
    return scores
