"""Given columns: numbers that are known of each sample of both domains and are no labels, such as the head's angles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError

ALWAYS_LABELS = ("label", "labels", "file_name")  # columns that are never given


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
