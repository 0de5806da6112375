"""Instances as plain data of one column `objects`, as Hugging Face `datasets` has them for detection.

`bbox` (left, top, width, height from the corner of the image) and `category`, each a list with one entry an instance;
where there are such, also `segmentation` and `iscrowd` as in COCO, and `keypoints`: `{name: [x, y, visibility]}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..coco import box_of, mask_of
from ..record import Box, Instance, Mask, Point
from .files import numbers
from .shapes import Polygons, RunLengths

COLUMN = "objects"
CATEGORIES = ("category", "categories", "label")  # names of the column of the classes


def packed_box(box: Box | None) -> list[float] | None:
    """A box as left, top, width and height from the corner of the image."""
    if box is None:
        return None
    left, top, right, bottom = box
    return [left + 0.5, top + 0.5, right - left, bottom - top]


def packed_mask(mask: Mask | None, height: int, width: int) -> Any:
    """A mask as COCO writes it: polygons, or run lengths."""
    if mask is None:
        return None
    if isinstance(mask, Polygons):
        return [(part + 0.5).ravel().tolist() for part in mask.parts]
    runs = mask if isinstance(mask, RunLengths) else RunLengths.of(mask.pixels(height, width))
    return {"size": list(runs.size), "counts": list(runs.counts)}


def area_of(one: Instance, height: int, width: int) -> float:
    """The area of an instance in pixels: of its mask, else of its box, else 0."""
    if isinstance(one.mask, Polygons):
        return float(sum(_area(part) for part in one.mask.parts))
    if one.mask is not None:
        return float(one.mask.pixels(height, width).sum())
    return 0.0 if one.box is None else (one.box[2] - one.box[0]) * (one.box[3] - one.box[1])


def _area(corners: Any) -> float:
    x, y = corners.T
    return 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))


def packed(instances: Sequence[Instance], height: int, width: int) -> dict[str, list[Any]]:
    """The column `objects` of an image."""
    found: dict[str, list[Any]] = {
        "bbox": [packed_box(one.box) for one in instances],
        "category": [one.category for one in instances],
    }
    if any(one.mask is not None for one in instances):
        found["segmentation"] = [packed_mask(one.mask, height, width) for one in instances]
    if any(one.points for one in instances):
        found["keypoints"] = [{name: list(point) for name, point in one.points.items()} for one in instances]
    if any(one.ignored for one in instances):
        found["iscrowd"] = [int(one.ignored) for one in instances]
    return found


def unpacked(objects: Any, names: Sequence[str] | None = None) -> tuple[Instance, ...]:
    """The instances of a column `objects`.

    Args:
        objects: lists by name.
        names: of the categories, where they are written as numbers.

    Raises:
        ValueError: it does not have that form.
    """
    if not isinstance(objects, dict) or not all(isinstance(one, list) for one in objects.values()):
        raise ValueError(f"found {objects!r:.60}, expected lists by name")
    count = max((len(one) for one in objects.values()), default=0)
    wrong = next((name for name, one in objects.items() if len(one) != count), None)
    if wrong is not None:
        raise ValueError(f"'{wrong}' has {len(objects[wrong])} entries, another one {count}")
    categories = next((objects[name] for name in CATEGORIES if name in objects), [None] * count)
    rows = zip(
        objects.get("bbox", [None] * count),
        categories,
        objects.get("segmentation", [None] * count),
        objects.get("keypoints", [{}] * count),
        objects.get("iscrowd", [0] * count),
        strict=True,
    )
    return tuple(_instance(box, _named(kind, names), mask, points, crowd) for box, kind, mask, points, crowd in rows)


def _named(kind: Any, names: Sequence[str] | None) -> str | None:
    known = names is not None and isinstance(kind, int) and 0 <= kind < len(names)
    return names[kind] if names is not None and known else None if kind is None else str(kind)


def _instance(box: Any, category: str | None, mask: Any, points: Any, crowd: Any) -> Instance:
    named = {}
    for name, values in (points or {}).items():
        if values is not None:
            x, y, seen = numbers(values, 3)
            named[str(name)] = Point(x, y, int(seen))
    return Instance(category, None if not box else box_of(box), mask_of(mask, None), named, bool(crowd))
