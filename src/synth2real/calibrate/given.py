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

IMAGES = 20  # rendered images that show the unit of a label column
EXACT = 1e-3  # largest error of a proportion between a column and a parameter, relative to the largest value
USUAL = (0.03, 100.0)  # usual spread of a column, in spreads of the simulator's default
HIGHEST = 0.99  # largest correlation, because two columns may hold the same values


def with_given(simulator: Simulator, target: Unlabelled) -> Simulator:
    """The simulator with the distribution of the target's given columns: their quantiles, and their correlations.

    A column belongs to the parameter of the same name. If it is also a label column of the simulator, it has the unit
    of that label, such as radians; else that of the parameter.

    Raises:
        InputError: the simulator has no such parameter, or a value is outside its limits.
    """
    values = given_values(simulator, target)
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
        values, (least, most) = column * _factor(simulator, known[name]), known[name].limits
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


def _factor(simulator: Simulator, parameter: Parameter) -> float:
    """Units of the parameter in one unit of the label column of the same name, from rendered images; 1 without it."""
    name = parameter.name
    label = next((label for label, columns in simulator.columns.items() if name in columns), None)
    if label is None:
        return 1.0
    default = simulator.defaults()[name]
    varied = default if parameter.range(default)[0] < parameter.range(default)[1] else parameter.limits
    simulator = simulator.with_ranges(**{name: varied})
    generator = simulator.generator(0)
    units = simulator.units(generator)
    drawn = {one.name: one.at(units[one.name][:IMAGES], simulator.sampling(one.name)) for one in simulator.parameters}
    labels = simulator.render(drawn, generator).labels[label]
    column, values = labels[:, simulator.columns[label].index(name)].double().cpu(), drawn[name].double().cpu()
    column, values = column[column.isfinite()], values[column.isfinite()]
    factor = float((column @ values) / (column @ column).clamp(min=1e-12))
    if not len(column) or float((factor * column - values).abs().max()) > EXACT * float(values.abs().max()):
        raise InputError(
            f"calibrate: the label column '{name}' of the simulator {simulator.called()} is not in proportion to its "
            f"parameter '{name}', so a given column does not say what to render. Leave it out of --given (given= in "
            "Python)"
        )
    return factor


def _unit(parameter: Parameter) -> str:
    return f" {parameter.unit}" if parameter.unit else ""


def _normal_scores(values: Tensor) -> Tensor:
    """The normal values (N,) with the ranks of these values; equal values have their mean rank."""
    _, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0)
    rank = (last - (counts - 1) / 2)[inverse]
    scores: Tensor = torch.special.ndtri((rank.double() - 0.5) / len(values))
    return scores
