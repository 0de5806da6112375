"""Boxes in the arrays of an `.npz`: `images`, `boxes`, `box_class` and `box_image`, and `classes` with the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import InputError
from ..domains import Labelled
from ..labels import Boxes
from ..reading.arrays import array_inputs
from ..reading.loading import numbered, prefixed
from ..reading.npz import Arrays, arrays_of
from ..reading.pixels import Conversion
from ..reading.tables import listed
from .classes import only

CORNERS, CLASS, IMAGE, IGNORED, NAMES = "boxes", "box_class", "box_image", "box_ignored", "classes"


def load_arrays(path: Path, names: Sequence[str], how: Conversion) -> Labelled:
    """The images of an `.npz` with their boxes, see `loading.load_boxes`.

    `boxes` (M, 4) are left, top, right and bottom edges in pixels, `box_class` (M,) indices of the names `classes`,
    `box_image` (M,) indices of images, and `box_ignored` (M,), where it is there, marks those that count nowhere.

    Raises:
        InputError: an array is missing, or does not fit the others.
    """
    with prefixed(path), arrays_of(path) as arrays:
        missing = [name for name in ("images", CORNERS, CLASS, IMAGE, NAMES) if name not in arrays]
        if missing:
            raise InputError(
                f"{path}: found the arrays {listed(arrays.keys())}, but no {listed(missing)}, expected 'images', "
                "'boxes' (M, 4), 'box_class' and 'box_image' (M,), and 'classes' with their names"
            )
        inputs, facts = array_inputs(path, arrays, how)
        boxes = _boxes(path, arrays, len(inputs))
        classes, table = only([str(one) for one in arrays[NAMES].tolist()], names, str(path))
        height, width = arrays["images"].shape[1:3]
        found = boxes.mapped(table).clipped((height, width))
        return Labelled(inputs, found, classes, names=numbered(inputs), **facts)


def rows_of(arrays: Mapping[str, NDArray[Any]], rows: NDArray[np.int64], count: int) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz` of `count` images for some of these: `rows` (B,) in ascending order.

    Arrays with a row for each box keep those of the images; others that are as long as the images keep their rows.
    """
    of_boxes = (CORNERS, CLASS, IMAGE, IGNORED) if IMAGE in arrays else ()
    kept = np.isin(arrays[IMAGE], rows) if of_boxes else None
    found = {}
    for name, values in arrays.items():
        if name in of_boxes:
            found[name] = np.searchsorted(rows, values[kept]) if name == IMAGE else values[kept]
        else:
            found[name] = values[rows] if values.shape[:1] == (count,) else values
    return found


def _boxes(path: Path, arrays: Arrays, count: int) -> Boxes:
    corners = arrays.numbers(CORNERS)
    if corners.ndim != 2 or corners.shape[1] != 4 or np.isnan(corners).any():
        raise InputError(f"{path}: '{CORNERS}' of shape {corners.shape}, expected finite numbers (M, 4)")
    kind, image = (_indices(path, arrays, *one) for one in ((CLASS, len(arrays[NAMES])), (IMAGE, count)))
    ignored = arrays.numbers(IGNORED) > 0 if IGNORED in arrays else np.zeros(len(corners), bool)
    sides = {len(one) for one in (corners, kind, image, ignored)}
    if len(sides) != 1:
        raise InputError(
            f"{path}: '{CORNERS}', '{CLASS}', '{IMAGE}' and '{IGNORED}' have {sorted(sides)} rows, expected as many"
        )
    order = np.argsort(image, kind="stable")
    ends = np.bincount(image, minlength=count).cumsum()
    return Boxes(
        torch.from_numpy(corners[order]).float(),
        torch.from_numpy(kind[order]),
        torch.cat([torch.zeros(1, dtype=torch.int64), torch.from_numpy(ends)]),
        torch.from_numpy(ignored[order]),
    )


def _indices(path: Path, arrays: Arrays, name: str, count: int) -> NDArray[np.int64]:
    """Whole numbers (M,) from 0 to below `count`."""
    found = arrays.numbers(name)
    if found.ndim != 1 or not ((found >= 0) & (found < count) & (found == found.round())).all():
        raise InputError(f"{path}: '{name}' of shape {found.shape}, expected whole numbers (M,) from 0 to {count - 1}")
    return found.astype(np.int64)
