"""Labels as users have them: numbers, names, columns of tables; as class indices or values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ..domains import MOST, called
from ..reading.class_names import as_classes
from ..reading.tables import listed
from .arrays import as_array
from .base import is_of

SHOWN = 5  # names in a message
MANY = 20  # classes; with more, most of which have one sample, they are values


class Labels(NamedTuple):
    """Labels as `Labelled` takes them: (N,) int64 with `classes`, or (N, K) floats with `columns`."""

    labels: Tensor
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def labels_of(y: Any, classes: Sequence[str] = (), columns: Sequence[str] = ()) -> Labels:
    """Labels of any usual form.

    Args:
        y: integers, texts, bytes or truth values (N,) are classes; floats (N,) or (N, K) are values, nan if unknown. An
            array, a tensor, a list, or a Series, DataFrame or Categorical of pandas.
        classes: names of the classes, which integers are indices of. By default integers and texts are themselves the
            names, in natural order, and a Categorical has its own.
        columns: names of the K values; with them, integers are values.

    Raises:
        InputError: a class is missing or not in `classes`, types are mixed, a value is infinite, or it is one-hot.

    Warns:
        UserWarning: integers look like values, or floats like classes.
    """
    if is_of(y, "pandas", "Series", "Categorical", "CategoricalIndex") and str(y.dtype) == "category":
        return _of_categories(getattr(y, "cat", y), classes)
    found = _plain(y)
    if not columns and found.dtype.kind != "f":
        return _of_plain(found, classes)
    if classes:
        raise InputError(
            "y holds values but classes= names classes, expected one of them. For classes convert y: y.astype(int)"
        )
    if not columns:
        _warn_of_whole(found)
    return _of_values(found, columns or _named(y))


def _named(y: Any) -> list[str]:
    """Names of the columns of a Series or DataFrame of pandas; none for other labels and for a Series without one."""
    names = y.columns if is_of(y, "pandas", "DataFrame") else [y.name] if is_of(y, "pandas", "Series") else []
    return [str(name) for name in names if name is not None]


def _plain(y: Any) -> NDArray[Any]:
    """Labels as an array of one kind: f, i, u, b or U; (N,), or (N, K) for numbers."""
    if is_of(y, "pandas", "Series") and y.dtype.kind in "iub" and y.hasnans:  # numpy would make floats of them
        y = y.astype(object)
    found = np.array(y, dtype=object) if isinstance(y, list | tuple) and not _nested(y) else as_array(y, "y")
    if found.ndim == 2 and found.shape[1] == 1 and found.dtype.kind != "f":
        found = found[:, 0]
    if found.ndim not in (1, 2):
        what = f"has the shape {found.shape}" if found.ndim else f"is {called(y)}"
        raise InputError(f"y {what}, expected labels (N,) or (N, K) in an array, a tensor or a list")
    if found.dtype.kind in "OT":
        found = _of_objects(found)
    if found.dtype.kind == "S":
        try:
            found = np.char.decode(found, "utf-8")
        except UnicodeDecodeError:
            raise InputError("y holds bytes that are not UTF-8, expected names of classes. Decode them") from None
    if found.dtype.kind not in "fiubU":
        raise InputError(f"y of {found.dtype}, expected classes (integers or texts) or values (floats)")
    return found


def _nested(y: Sequence[Any]) -> bool:
    return len(y) > 0 and (isinstance(y[0], list | tuple | Tensor) or getattr(y[0], "ndim", 0) > 0)


def _of_objects(found: NDArray[Any]) -> NDArray[Any]:
    """An array of Python objects of one kind as an array of that kind."""
    values = [
        value.item() if isinstance(value, Tensor) and value.ndim == 0 else value for value in found.ravel().tolist()
    ]
    kinds = {_kind(value) for value in values}
    if kinds <= {"integer", "number", "missing"} and "number" in kinds:
        unknown = [math.nan if _kind(value) == "missing" else value for value in values]
        return np.array(unknown, dtype=np.float64).reshape(found.shape)
    if "missing" in kinds:
        row = next(i for i, value in enumerate(values) if _kind(value) == "missing")
        raise InputError(f"y is {values[row]!r} in row {row}, expected a class. Leave the sample out")
    if len(kinds) > 1 or kinds & {"other"}:
        names = sorted({type(value).__name__ for value in values})
        raise InputError(
            f"y holds {' and '.join(names)}, expected one kind of labels. For class names write [str(v) for v in y]"
        )
    return np.array(values).reshape(found.shape) if values else found.astype(np.float64)


def _kind(value: Any) -> str:
    if value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        return "missing"
    if isinstance(value, bool | np.bool_):
        return "truth"
    if isinstance(value, Real):
        return "integer" if isinstance(value, Integral) else "number"
    return "text" if isinstance(value, str) else "bytes" if isinstance(value, bytes) else "other"


def _of_categories(categorical: Any, classes: Sequence[str]) -> Labels:
    """Labels of a Categorical of pandas, with its names in its order."""
    codes = torch.from_numpy(np.array(categorical.codes, dtype=np.int64))
    if len(codes) and int(codes.min()) < 0:
        raise InputError(f"y has no class in row {int(codes.argmin())}, expected one. Leave the sample out")
    names = tuple(map(str, categorical.categories))
    if classes and tuple(classes) != names:
        raise InputError(f"y has the categories {_some(names)}, but classes= names {_some(classes)}. Leave classes out")
    return Labels(codes, names)


def _of_values(found: NDArray[Any], columns: Sequence[str]) -> Labels:
    if found.dtype.kind == "U":
        raise InputError(f"y holds texts such as '{found.ravel()[0]}', expected numbers for {listed(columns)}")
    values = (found[:, None] if found.ndim == 1 else found).astype(np.float64)
    if (np.abs(values) > MOST).any():
        row = int((np.abs(values) > MOST).any(1).argmax())
        raise InputError(f"y is {values[row].tolist()} in row {row}, expected finite numbers, or nan if unknown")
    if values.shape[1] > 1 and np.isin(values, (0, 1)).all() and (values.sum(1) == 1).all():
        raise InputError(f"y of the shape {values.shape} looks one-hot, expected one class per sample: y.argmax(1)")
    return Labels(torch.from_numpy(values), columns=tuple(columns))


def _warn_of_whole(values: NDArray[Any]) -> None:
    """Warn of floats that may be classes."""
    one, known = values.ndim == 1 or values.shape[1] == 1, values[~np.isnan(values)]
    if one and (known == known.round()).all() and len(known) > len(np.unique(known)) <= MANY:
        warnings.warn(
            "y holds whole numbers as floats, and is read as values. For classes convert it: y.astype(int); for values "
            "name them: columns=['size']",
            stacklevel=4,
        )


def _of_plain(found: NDArray[Any], classes: Sequence[str]) -> Labels:
    """Labels of integers, truth values and texts (N,)."""
    if found.ndim == 2:
        raise InputError(
            f"y of {found.dtype} {found.shape}, expected classes (N,), or floats (N, K) for values: y.astype(float). "
            "For one-hot classes write y.argmax(1)"
        )
    values, names = found.tolist(), tuple(map(str, classes))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"classes= names '{twice}' twice, expected different names")
    empty = next((i for i, value in enumerate(values) if isinstance(value, str) and not value.strip()), None)
    if empty is not None:
        raise InputError(f"y is {values[empty]!r} in row {empty}, expected the name of a class. Leave the sample out")
    if names and found.dtype.kind in "iu":
        return Labels(torch.from_numpy(found.astype(np.int64)), names)
    own = as_classes(values)[1]
    unknown = next((name for name in own if names and name not in names), None)
    if unknown is not None:
        raise InputError(f"y holds the class '{unknown}', which is not among classes= {_some(names)}. Add it")
    if found.dtype.kind in "iu" and len(own) > MANY and 2 * len(own) > len(values):
        warnings.warn(
            f"y holds {len(own)} different integers in {len(values)} samples, and each is read as a class. For values "
            "convert it: y.astype(float)",
            stacklevel=3,
        )
    return Labels(*as_classes(values, names or None))


def _some(names: Sequence[str]) -> str:
    return listed(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
