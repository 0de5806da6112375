"""Pascal VOC: an XML for each image, with boxes that count pixels from 1 and include the last one (VOC 2012).

The masks of `SegmentationClass` are read; those of `SegmentationObject` are numbered in the order of the objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ...errors import InputError
from ..reading.class_names import natural_key
from ..reading.discovery import files_below
from ..reading.tables import is_file
from .base import Format
from .record import Box, Instance, Picture, Record, Region, Semantic
from .shared.files import below, finder, head_of, missing, numbers, some_of

EDGES = ("xmin", "ymin", "xmax", "ymax")
ANNOTATIONS, IMAGES, CLASSES, OBJECTS = "Annotations", "JPEGImages", "SegmentationClass", "SegmentationObject"
NAMES = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]  # of the classes of VOC 2012, whose masks have their numbers from 1


def _descriptions(path: Path) -> list[Path]:
    return [file for file in files_below(path) if file.suffix.lower() == ".xml" and _is_voc(file)]


def _is_voc(file: Path) -> bool:
    head = head_of(file)
    return b"<annotation" in head and (b"<object" in head or b"<filename" in head) and b"<size" in head


def found(path: Path) -> bool:
    """Whether there are XML files of annotations, here or in `Annotations`."""
    return any(_is_voc(file) for place in ("", ANNOTATIONS) for file in some_of(path / place, ".xml")[:3])


def read(path: Path) -> Iterator[Record]:
    """The images that the XML files describe, in natural order of these.

    Raises:
        InputError: a file is broken, or its image is missing.
    """
    files = sorted(_descriptions(path), key=lambda one: natural_key(one.relative_to(path).as_posix()))
    find = finder([path / IMAGES, path, path / "images"], path)
    for file in files:
        try:
            tree = ElementTree.fromstring(file.read_bytes())
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise InputError(f"{file}: is not XML ({error}), expected a whole file. Write it again") from None
        named = (tree.findtext("filename") or "").strip()
        beside = file.with_name(named) if named else None
        image = beside if beside is not None and is_file(beside) else find(named) if named else None
        if image is None:
            raise missing(file, [named or "no image"], 1)
        try:
            height, width = (int(numbers([tree.findtext(f"size/{side}")])[0]) for side in ("height", "width"))
            instances = tuple(_instance(one) for one in tree.iter("object"))
        except (ValueError, TypeError) as error:
            raise InputError(f"{file}: is not in the format of Pascal VOC ({error}). Correct or remove it") from None
        size = (height, width) if height and width else None  # some programs write 0
        instances, semantic = _masked(instances, file, image)
        yield Record(below(image, path), image, size, {}, instances, semantic, file)


def _instance(one: Any) -> Instance:
    name = (one.findtext("name") or "").strip()
    if not name:
        raise ValueError("an object without a name")
    edges = [one.findtext(f"bndbox/{edge}") for edge in EDGES]
    box: Box | None = None
    if any(edge is not None for edge in edges):
        left, top, right, bottom = numbers([float(edge) for edge in edges])
        box = (left - 1.5, top - 1.5, right - 0.5, bottom - 0.5)
    return Instance(name, box, ignored=(one.findtext("difficult") or "0").strip() == "1")


def _masked(instances: tuple[Instance, ...], file: Path, image: Path) -> tuple[tuple[Instance, ...], Semantic | None]:
    """The objects with their masks, and the class of each pixel, where they are written."""
    root = file.parent.parent if file.parent.name == ANNOTATIONS else file.parent
    objects, classes = (root / folder / f"{image.stem}.png" for folder in (OBJECTS, CLASSES))
    if is_file(objects):
        raster = Picture(objects)
        instances = tuple(replace(one, mask=Region(raster, i)) for i, one in enumerate(instances, start=1))
    named = Semantic(Picture(classes), dict(enumerate(NAMES, start=1))) if is_file(classes) else None
    return instances, named


VOC = Format("voc", "Pascal VOC XML", found, read)
