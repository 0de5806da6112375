"""Checks of labels on instances: what renderers and converters do wrong, how often, and in which images."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.formats.record import UNSEEN, Box, Instance, Point, Record, Region, Semantic, image_bytes, sides_of
from ..data.formats.shared.crops import decoded, window_of
from ..data.reading.discovery import PARTS
from ..data.reading.pixels import Held

LISTED = 5  # files of a finding
TINY = 2.0  # pixels; a shorter side of a box shows nothing
SLACK = 1.0  # pixels that a box or point may lie outside the image
MISSED = 16  # pixels of a class outside all its boxes, from which on an object has been skipped
PLAIN = 3.0  # levels of 0..255 that noise of a plain background may have
RING = 4  # pixels around a box that are compared with it
CORNER = (0.0, -0.5)  # coordinates of 0, 0 of a file, before and after the shift of half a pixel

TEXTS = {
    "unknown category": "instances have a category that is not named: {detail}. Name them, or remove the instances",
    "mask without a box": "instances have a mask but no box, where others have both: their boxes were skipped",
    "region without an instance": "regions of a mask of instances belong to no instance: the instances were skipped",
    "class outside its boxes": "images show a class outside all its boxes: {detail}. An instance was skipped",
    "empty mask": "instances have a mask without a pixel. They are hidden: remove them",
    "box on plain background": "boxes lie on a plain background or outside the mask of their instance. Remove them",
    "box outside the image": "boxes lie outside the image or reach beyond it. Clip them",
    "box without an area": "boxes have no area: left and right, or top and bottom are equal or exchanged",
    "box twice": "boxes are there twice, with one category. Keep one",
    "tiny box": "boxes have a side of less than {detail} pixels, which shows nothing. Remove them",
    "point at 0, 0": "points are at 0, 0 and marked as labelled. If that means unseen, set their visibility to 0",
    "point outside the image": "labelled points lie outside the image. Set their visibility to 0",
    "another size": "images have another size than their labels say, so that all labels lie wrong",
    "image twice": "images are there twice, byte for byte",
    "shared by parts": "images are in two parts of the set, byte for byte, so that a score on one of them is too high",
}


@dataclass
class LabelFinding:
    """One kind of fault.

    Args:
        kind: of the fault, a key of `TEXTS`.
        count: how often it was found.
        first: names of the first images, at most `LISTED`.
        details: what further is known, by frequency, such as the numbers of unknown categories.
    """

    kind: str
    count: int = 0
    first: list[str] = field(default_factory=list)
    details: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, detail: str = "") -> None:
        """Count one more."""
        self.count += 1
        if name not in self.first and len(self.first) < LISTED:
            self.first.append(name)
        if detail:
            self.details[detail] += 1

    @property
    def text(self) -> str:
        """The finding in a line, with the first files."""
        shown = ", ".join(detail for detail, _ in self.details.most_common(LISTED))
        return f"{self.count:,} {TEXTS[self.kind].format(detail=shown)} ({', '.join(self.first)})"

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {"kind": self.kind, "count": self.count, "first": self.first, "details": dict(self.details)}


class Found(dict[str, LabelFinding]):
    """The findings by kind."""

    def add(self, kind: str, name: str, detail: str = "") -> None:
        """Count one more fault of an image."""
        if kind not in self:
            self[kind] = LabelFinding(kind)
        self[kind].add(name, detail)


def check_labels(records: Iterable[Record], *, hashed: dict[str, str] | None = None) -> list[LabelFinding]:
    """Check the instances and points of images, and whether an image is there twice.

    Args:
        records: of the set. Each image is read.
        hashed: takes the content hash of each image by its name, as `content_hash` gives it.

    Returns:
        The findings, in the order of `TEXTS`.

    Raises:
        InputError: an image or mask cannot be read.
    """
    found, names = Found(), {} if hashed is None else hashed
    without: list[str] = []
    outside: list[tuple[str, list[str]]] = []
    boxed: set[str | None] = set()
    for record in records:
        names[record.name] = content_hash(record.image)
        sides = sides_of(record.image)
        if record.size is not None and record.size != sides:
            found.add("another size", record.name)
            continue
        _check_boxes(record, sides, found)
        _check_points(record, sides, found)
        _check_masks(record, sides, found)
        boxed |= {one.category for one in record.instances if one.box is not None}
        without += [record.name for one in record.instances if one.mask is not None and one.box is None]
        if record.semantic is not None and record.instances:
            outside.append((record.name, list(_outside(record.semantic, record.instances, sides))))
    for name in without if boxed else ():
        found.add("mask without a box", name)
    for name, classes in outside:
        for category in classes:
            if category in boxed:
                found.add("class outside its boxes", name, category)
    _check_twice(names, found)
    return [found[kind] for kind in TEXTS if kind in found]


def content_hash(image: Path | Held) -> str:
    """The hash of the bytes of an image."""
    return hashlib.sha256(image_bytes(image)[0]).hexdigest()


def _check_boxes(record: Record, sides: tuple[int, int], found: Found) -> None:
    height, width = sides
    seen: set[tuple[str | None, Box]] = set()
    for one in record.instances:
        if one.category is None:
            found.add("unknown category", record.name, one.unknown or "no number")
        if one.box is None:
            continue
        left, top, right, bottom = one.box
        if right <= left or bottom <= top:
            found.add("box without an area", record.name)
            continue
        if min(right - left, bottom - top) < TINY:
            found.add("tiny box", record.name, f"{TINY:g}")
        edges = (-0.5 - left, -0.5 - top, right - width + 0.5, bottom - height + 0.5)
        if max(edges) > SLACK or window_of(one.box, height, width) is None:
            found.add("box outside the image", record.name)
        elif one.mask is None and _on_plain(record, one.box, sides):
            found.add("box on plain background", record.name)
        if (one.category, one.box) in seen:
            found.add("box twice", record.name)
        seen.add((one.category, one.box))


def _on_plain(record: Record, box: Box, sides: tuple[int, int]) -> bool:
    """Whether a box shows one colour, and what is around it shows the same."""
    window = window_of(box, *sides)
    assert window is not None
    left, top, right, bottom = window
    pixels = decoded(record.image).astype(np.float32)
    shown = pixels[max(0, top - RING) : bottom + RING, max(0, left - RING) : right + RING]
    around = shown.reshape(-1, pixels[0, 0].size)
    return len(around) > (right - left) * (bottom - top) and bool((around.max(0) - around.min(0) <= 2 * PLAIN).all())


def _check_points(record: Record, sides: tuple[int, int], found: Found) -> None:
    for _, name, point in record.points:
        if point.visibility == UNSEEN:
            continue
        if _in_corner(point):
            found.add("point at 0, 0", record.name, name)
        elif max(-0.5 - point.x, -0.5 - point.y, point.x - sides[1] + 0.5, point.y - sides[0] + 0.5) > SLACK:
            found.add("point outside the image", record.name, name)


def _in_corner(point: Point) -> bool:
    return any(point.x == corner == point.y for corner in CORNER)


def _check_masks(record: Record, sides: tuple[int, int], found: Found) -> None:
    for one in record.instances:
        if one.mask is None:
            continue
        pixels = one.mask.pixels(*sides)
        if not pixels.any():
            found.add("empty mask", record.name)
        elif one.box is not None and (window := window_of(one.box, *sides)) is not None:
            left, top, right, bottom = window
            if not pixels[top:bottom, left:right].any():
                found.add("box on plain background", record.name)
    for _ in range(_unlisted(record.instances)):
        found.add("region without an instance", record.name)


def _unlisted(instances: Iterable[Instance]) -> int:
    """Number of regions of instance masks that no instance has; 0 and black are background."""
    listed: dict[Any, set[Any]] = defaultdict(set)
    for one in instances:
        if isinstance(one.mask, Region):
            listed[one.mask.raster].add(one.mask.value)
    count = 0
    for raster, values in listed.items():
        array = raster.array()
        if array.ndim == 2:
            count += len(set(np.unique(array).tolist()) - {0} - {v if isinstance(v, int) else v[0] for v in values})
        else:
            shown = {tuple(colour) for colour in np.unique(array[..., :3].reshape(-1, 3), axis=0).tolist()}
            count += len(shown - {(0, 0, 0)} - {v if isinstance(v, int) else v[:3] for v in values})
    return count


def _outside(semantic: Semantic, instances: Iterable[Instance], sides: tuple[int, int]) -> Iterator[str]:
    """Classes of which more than a few pixels lie outside all boxes of the class."""
    boxes: dict[str | None, NDArray[np.bool_]] = defaultdict(lambda: np.zeros(sides, bool))
    for one in instances:
        window = None if one.box is None else window_of(one.box, *sides)
        if window is not None:
            left, top, right, bottom = window
            boxes[one.category][max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = True
    for category in dict.fromkeys(semantic.classes.values()):
        pixels = semantic.pixels(category)
        if pixels.shape == sides and (pixels & ~boxes[category]).sum() >= MISSED:
            yield category


def _check_twice(hashed: Mapping[str, str], found: Found) -> None:
    """Images of one content: of two parts of the set, such as `train` and `val`, or of one."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, value in hashed.items():
        names[value].append(name)
    for same in names.values():
        if len(same) > 1:
            parts = {_part(name) for name in same} - {None}
            kind = "shared by parts" if len(parts) > 1 else "image twice"
            found.add(kind, " and ".join(same[:2]), "")


def _part(name: str) -> str | None:
    """The part of a set that an image is in, by its folders."""
    return next((folder.lower() for folder in PurePosixPath(name).parts[:-1] if folder.lower() in PARTS), None)


def shared(one: Mapping[str, str], other: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names of images that are in both sets, byte for byte, by their hashes, see `content_hash`."""
    theirs = {value: name for name, value in other.items()}
    return [(name, theirs[value]) for name, value in one.items() if value in theirs]
