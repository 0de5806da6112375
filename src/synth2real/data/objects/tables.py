"""Tables of pandas: a column of image paths, or columns of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ..reading.loading import AS_CLASSES
from ..reading.tables import is_file, listed
from .arrays import features_of
from .base import Ask, Found, is_of
from .pictures import is_picture, read_pictures

USUAL = ("file_name", "filename", "file", "file_path", "filepath", "path", "image", "image_path", "img", "img_path")
LABELS = ("labels", *AS_CLASSES)  # columns of class labels, if none is named


def is_table(value: object) -> bool:
    """Whether a value is a table of pandas."""
    return is_of(value, "pandas", "DataFrame")


def read_table(frame: Any, ask: Ask) -> Found:
    """The images or features, labels and given columns of a table.

    The images are those of the column `ask.image`, of the one with a usual name, or of the only one whose values are
    files. Without such a column, all columns are features, but for labels and given columns. Where labels are not
    wanted, a column with the usual name of labels is left out.

    Raises:
        InputError: a column does not exist, several may be the images, or a feature is no number.
    """
    if len(frame) == 0:
        raise InputError("the table is empty, expected at least one row")
    twice = next((name for name in frame.columns if list(frame.columns).count(name) > 1), None)
    if twice is not None:
        raise InputError(f"the table has two columns '{twice}', expected different names")
    names = list(frame.columns)
    columns = label_columns(ask, names)
    label = _labels(frame, columns, ask)
    given, given_columns = _given(frame, ask, names)
    left_out = {*given_columns, *(columns or ()), *(name for name in names if not ask.labelled and _is_label(name))}
    others = [name for name in names if name not in left_out]
    image = _image_column(frame, ask, others)
    if image is not None:
        found = read_pictures(frame[image].tolist(), ask, "row")
    else:
        found = Found(_features(frame, others))
    return replace(found, label=label, given=given, given_columns=given_columns)


def label_columns(ask: Ask, names: Sequence[Any]) -> list[Any] | None:
    """The label columns of a table or data set: those that the user names, or one with a usual name.

    None if there is no label column, because the labels stand beside the table, or are not wanted.

    Raises:
        InputError: a column does not exist, or none was named and none has a usual name.
    """
    if not ask.labelled:
        return None
    label = ask.label
    if isinstance(label, str):
        return [_known(label, names, "label")]
    if isinstance(label, list | tuple) and label and all(isinstance(one, str) and one in names for one in label):
        return list(label)
    if label is not None:
        return None
    usual = [name for name in names if _is_label(name)]
    if len(usual) != 1:
        raise InputError(
            f"found the columns {listed(names)}, of which {'none is' if not usual else 'several are'} called "
            f"'labels', 'label' or 'class'. Name the labels: Labelled.of(table, 'column')"
        )
    return usual


def check_columns(source: Any, target: Any) -> None:
    """Raise `InputError` if two tables of features have their columns in another order, or the target has others."""
    ours, theirs = list(source.columns), list(target.columns)
    other = [name for name in theirs if name not in ours]
    if other or [name for name in ours if name in theirs] != theirs:
        raise InputError(
            f"the target has the columns {listed(theirs)}, the source {listed(ours)}: expected the same features in "
            "the same order. Choose them by name: target[columns]"
        )


def _is_label(name: Any) -> bool:
    return isinstance(name, str) and name.lower() in LABELS


def _labels(frame: Any, columns: list[Any] | None, ask: Ask) -> Any:
    """The labels of the columns, or those beside the table."""
    if columns is not None:
        several = isinstance(ask.label, list | tuple)  # a list of columns is a list of values, as in `load`
        return frame[columns].astype(float) if several else frame[columns[0]]
    if is_of(ask.label, "pandas", "Series", "DataFrame") and not ask.label.index.equals(frame.index):
        raise InputError(
            "the index of y differs from that of X, so that their rows may not belong together. Align them: "
            "y.loc[X.index]; or if they do: y.to_numpy()"
        )
    return ask.label


def _given(frame: Any, ask: Ask, names: Sequence[Any]) -> tuple[Any, tuple[str, ...]]:
    """Values and names of the given columns."""
    if ask.given is None or ask.given_columns:
        return ask.given, ask.given_columns
    columns = [_known(name, names, "given") for name in ask.given]
    return (features_of(frame[columns].to_numpy(), "given"), tuple(columns)) if columns else (None, ())


def _known(name: Any, names: Sequence[Any], what: str) -> Any:
    if name not in names:
        raise InputError(f"the table has no {what} column '{name}', found the columns {listed(names)}")
    return name


def _image_column(frame: Any, ask: Ask, names: Sequence[Any]) -> Any:
    """The column of images or of their paths; None if the table has features."""
    if ask.image is not None:
        return _known(ask.image, list(frame.columns), "image")
    first = {name: frame[name].iloc[0] for name in names}
    pictured = [name for name in names if is_picture(first[name]) or isinstance(first[name], dict | bytes)]
    found = [name for name in pictured if str(name).lower() in USUAL]
    found = found or [name for name in pictured if not isinstance(first[name], str) or _exists(first[name], ask)]
    if len(found) > 1:
        raise InputError(f"the columns {listed(found)} may all be the images. Name one: image='{found[0]}'")
    return found[0] if found else None


def _exists(name: str, ask: Ask) -> bool:
    return is_file(ask.root / Path(name))


def _features(frame: Any, names: Sequence[Any]) -> Any:
    text = [name for name in names if _dtype(frame[name]).kind not in "biuf"]
    if text:
        raise InputError(
            f"the columns {listed(text)} are no numbers, and none of them is a column of image files. Name the column "
            "of the images (image='file_name') and the folder that they are in (root='photos'), or leave them out"
        )
    return features_of(frame[list(names)].to_numpy(dtype=np.float64), "the table")


def _dtype(column: Any) -> np.dtype[Any]:
    """The type of a column in numpy; object for those that numpy does not have."""
    found = getattr(column.dtype, "numpy_dtype", column.dtype)
    return found if isinstance(found, np.dtype) else np.dtype(object)
