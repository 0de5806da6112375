"""Given columns: numbers that are known of each sample of both domains and are no labels, such as the head's angles."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import InputError

if TYPE_CHECKING:
    from .domains import Labelled, Unlabelled

ALWAYS_LABELS = ("label", "labels", "file_name")  # columns that are never given
ANGLES = ("pitch", "yaw")  # last words of the names of columns that are a direction, in radians
FAR = 10.0  # median distance of the target from the mean of the source, in deviations, that is another unit
APART = 10.0  # ratio of the deviations of the domains that may be another unit; a radian is 57 degrees


def check_given_names(given: Sequence[str], labels: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the given columns.

    Args:
        given: the names.
        labels: names of the label columns.

    Raises:
        InputError: a column is given twice, or it is a label.
    """
    if isinstance(given, str):
        raise InputError(f"given is the text '{given}', expected a list of column names. Write given=['{given}']")
    names = tuple(given)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"the given column '{twice}' is named twice, expected different columns. Remove one of the two"
        )
    label = next((name for name in names if name in (*ALWAYS_LABELS, *labels)), None)
    if label is not None:
        raise InputError(
            f"the given column '{label}' is a label column too, expected a quantity that is known of the real images. "
            "Remove it from --given (given= in Python)"
        )
    return names


def check_given(given: Tensor | None, columns: tuple[str, ...], count: int, labels: Sequence[str] = ()) -> None:
    """Raise `InputError` unless the given values of `count` samples are finite float32 (N, G), with G column names.

    Args:
        given, columns: as in `domains.Labelled`.
        count: number of samples.
        labels: names of the label columns.
    """
    check_given_names(columns, labels)
    if given is None and not columns:
        return
    found = f"{given.dtype} {tuple(given.shape)}" if isinstance(given, Tensor) else type(given).__name__
    if (
        not isinstance(given, Tensor)
        or given.dtype != torch.float32
        or given.shape != (count, len(columns))
        or not columns
    ):
        raise InputError(
            f"given is {found} with {len(columns)} given_columns, expected float32 ({count}, G) and the names of its G "
            "columns, such as given_columns=('head_pitch', 'head_yaw')"
        )
    unknown = ~given.isfinite().all(1)
    if unknown.any():
        row = int(unknown.int().argmax())
        raise InputError(f"given is {given[row].tolist()} in row {row}, expected finite numbers. Leave the sample out")


def direction_columns(columns: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """The directions among given columns, by name: the indices of `NAME_pitch` and `NAME_yaw`, None for one not there.

    `pitch` and `yaw` without a name are a direction, too.
    """
    found: dict[str, list[int | None]] = {}
    for i, column in enumerate(columns):
        name, _, angle = column.rpartition("_")
        if angle in ANGLES:
            found.setdefault(name, [None, None])[ANGLES.index(angle)] = i
    return [(pitch, yaw) for pitch, yaw in found.values()]


def check_both(source: Labelled | Unlabelled, target: Labelled | Unlabelled) -> None:
    """Check that the given columns of source and target fit each other.

    Raises:
        InputError: a column is of one domain only, has the same value for the whole source, is a direction that is not
            in radians, or its values in the target are far from all values in the source, as in another unit.

    Warns:
        UserWarning: the values of a column spread ten times as wide in one domain as in the other.
    """
    ours, theirs = source.given_columns, target.given_columns
    for name, columns, others in (("source", ours, theirs), ("target", theirs, ours)):
        alone = next((column for column in columns if column not in others), None)
        if alone is not None:
            raise InputError(
                f"the given column '{alone}' is in the {name} only, expected it in both domains. Give it in both, or "
                "leave it out (--given, given= in Python)"
            )
    if ours != theirs:
        raise InputError(f"the given columns are {ours} in the source and {theirs} in the target, expected one order")
    if source.given is None or target.given is None:
        return
    for pair in direction_columns(ours):
        for i in pair:
            if i is not None:
                _check_radians(ours[i], source.given[:, i], target.given[:, i])
    for column, x, y in zip(ours, source.given.double().T, target.given.double().T, strict=True):
        _check_units(column, x, y)


def scale_of(given: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (G,) of given values (N, G). The deviation of a constant column is 1."""
    std = given.std(0, correction=0)
    return given.mean(0), std.where(std > 0, 1.0)


def check_near(column: str, values: Tensor, mean: float, std: float, what: str) -> None:
    """Raise `InputError` if given values (N,) are so far from those of the training that they have another unit.

    Args:
        column: its name.
        values: in the domain that the message calls `what`.
        mean, std: in the source of the training.
    """
    if float(((values - mean) / std).abs().median()) > FAR:
        raise InputError(
            f"the given column '{column}' is {_range(values)} in {what}, but {mean:.4g} on average with a deviation of "
            f"{std:.2g} in the source: a model cannot know such values. Write it in the unit of the source"
        )


def _check_radians(column: str, source: Tensor, target: Tensor) -> None:
    for name, values in (("source", source), ("target", target)):
        if float(values.abs().max()) > torch.pi + 1e-3:
            raise InputError(
                f"the given column '{column}' is {_range(values)} in the {name}, expected radians, at most 3.1416, as "
                "it is a direction and turns with the image. Convert degrees to radians: x * pi / 180"
            )


def _check_units(column: str, source: Tensor, target: Tensor) -> None:
    if len(source) == 1 or len(target) == 1:
        return
    ours, theirs = float(source.std()), float(target.std())
    if ours == 0:
        raise InputError(
            f"the given column '{column}' is {float(source[0]):.4g} for every sample of the source, so that a model "
            "cannot learn what it says. Leave it out, or vary it in the source"
        )
    check_near(column, target, float(source.mean()), ours, "the target")
    if theirs > 0 and max(ours / theirs, theirs / ours) > APART:
        warnings.warn(
            f"the given column '{column}' is {_range(source)} in the source and {_range(target)} in the target: one "
            f"spreads {max(ours / theirs, theirs / ours):.0f} times as wide as the other. Are both in one unit?",
            stacklevel=3,
        )


def _range(values: Tensor) -> str:
    return f"{float(values.min()):.4g} to {float(values.max()):.4g}"
