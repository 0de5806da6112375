"""Names of classes: from cells of tables, folders and arrays, in natural order."""

import math
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Sort key that puts `img2` before `img10`. Different names have different keys."""
    parts = [part for part in re.split(r"(\d{1,1000})", name) if part]  # Python converts no more than 4300 digits
    return [*((0, int(part)) if part.isdecimal() else (1, part) for part in parts), (-1, name)]


def as_classes(values: Sequence[Any], known: Sequence[str] | None = None) -> tuple[Tensor, tuple[str, ...]]:
    """Convert class names to indices.

    Args:
        values: one name or number per sample. A whole number becomes a name without a decimal point (`3`, not `3.0`).
        known: the class names. By default the names in `values`, in natural order.

    Returns:
        (N,) int64 indices, and the class names.
    """
    return indexed([class_name(value) for value in values], known)


def indexed(names: Sequence[str], known: Sequence[str] | None = None) -> tuple[Tensor, tuple[str, ...]]:
    """Indices (N,) int64 of class names, which stay as they are, and the names in natural order, or as `known`."""
    classes = tuple(known) if known is not None else tuple(sorted(set(names), key=natural_key))
    index = {name: i for i, name in enumerate(classes)}
    return torch.tensor([index[name] for name in names], dtype=torch.int64), classes


def class_name(value: Any) -> str:
    """The text of a cell; `3.0` becomes `3`, as spreadsheets and pandas write whole numbers in either form."""
    text = str(value).strip()
    whole = re.fullmatch(r"([+-]?\d{1,1000})\.0*", text)
    return str(int(whole[1])) if whole else text


def is_name(value: Any) -> bool:
    """Whether a label is a class name or number: not empty, not blank, not NaN or infinite, and no list or object."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int) and str(value).strip().lower() not in ("", "nan")
