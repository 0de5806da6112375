"""YOLO folders: `data.yaml`, `images/` and `labels/`, of boxes, of outlines, or of poses if there are points.

There is one part: `train` and `val` of `data.yaml` are the same images, as this library parts no data.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from ....storage import make_folder, write_text
from ..record import UNSEEN, Box, Instance, Record
from ..shared.summary import Summary
from .base import Lost, Names, Writer, unnamed, write_image
from .masks import outline

FILE, IMAGES, LABELS = "data.yaml", "images", "labels"


def kind_of(summary: Summary) -> str:
    """What a line holds: `pose` if there are points, else `segment` if there are masks, else `detect`."""
    return "pose" if summary.counts["points"] else "segment" if summary.counts["masks"] else "detect"


def lost(summary: Summary) -> Lost:
    """What YOLO cannot hold."""
    lines = [f"{count:,} values of '{name}'" for name, count in summary.columns.items()]
    lines += unnamed(summary)
    kind, counts = kind_of(summary), summary.counts
    if kind == "pose" and counts["masks"]:
        lines.append(f"{counts['masks']:,} masks, as a line of points has a box and no outline")
    if kind == "segment":
        lines.append("holes and further parts of masks, as a line has one outline")
    if counts["ignored"]:
        lines.append(f"{counts['ignored']:,} crowds and difficult objects, which would be learnt as any other")
    if counts["semantic"]:
        lines.append(f"{counts['semantic']:,} masks of classes")
    return lines


def write(records: Iterable[Record], summary: Summary, out: Path) -> None:
    """Write the images, a text for each, and `data.yaml`."""
    ids = {name: i for i, name in enumerate(summary.classes)}
    kind, points, names = kind_of(summary), summary.all_points, Names()
    for record in records:
        name = names.of(record)
        write_image(record, out / IMAGES, name)
        lines = []
        for one in record.instances:
            if one.category is not None and not one.ignored:
                line = _line(one, kind, points, record.sides)
                if line is not None:
                    lines.append(" ".join([str(ids[one.category]), *(f"{value:.10g}" for value in line)]))
        file = out / LABELS / f"{name}.txt"
        make_folder(file.parent)
        write_text(file, "".join(f"{line}\n" for line in lines))
    content: dict[str, object] = {"path": ".", "train": IMAGES, "val": IMAGES}
    content["names"] = {i: name for name, i in ids.items()}
    if kind == "pose":
        content |= {"kpt_shape": [len(points), 3], "kpt_names": dict.fromkeys(ids.values(), points)}
    write_text(out / FILE, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _line(one: Instance, kind: str, points: list[str], sides: tuple[int, int]) -> list[float] | None:
    """The numbers behind the class, in shares of width and height; None for an instance without a place."""
    height, width = sides
    corners, box = None, one.box
    if one.mask is not None and (kind == "segment" or box is None):
        corners, _ = outline(one.mask, height, width)
    if box is None and corners is not None:
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        box = (left, top, right, bottom)
    if box is None:
        box = _around(one)
    if box is None:
        return None
    left, top, right, bottom = box
    if kind == "segment":
        if corners is None:
            flat = [left, top, right, top, right, bottom, left, bottom]
        else:
            flat = corners.ravel().tolist()
        return [(value + 0.5) / side for value, side in zip(flat, (width, height) * (len(flat) // 2), strict=True)]
    centre = [((left + right) / 2 + 0.5) / width, ((top + bottom) / 2 + 0.5) / height]
    found = [*centre, (right - left) / width, (bottom - top) / height]
    for name in points if kind == "pose" else ():
        point = one.points.get(name)
        if point is None or point.visibility == UNSEEN:
            found += [0.0, 0.0, 0.0]
        else:
            found += [(point.x + 0.5) / width, (point.y + 0.5) / height, float(point.visibility)]
    return found


def _around(one: Instance) -> Box | None:
    """The box around the points of an instance that has neither box nor mask, as a line begins with a box."""
    seen = [point for point in one.points.values() if point.visibility != UNSEEN]
    if not seen:
        return None
    x, y = [point.x for point in seen], [point.y for point in seen]
    return min(x) - 0.5, min(y) - 0.5, max(x) + 0.5, max(y) + 0.5


YOLO = Writer("yolo", "YOLO folder", lost, write)
