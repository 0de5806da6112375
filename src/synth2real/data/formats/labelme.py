"""LabelMe: a JSON beside each image, with rectangles, polygons, masks and points (labelme 5 and 6).

Shapes of one `group_id` are one object: its box, its polygons and its points. A point without a group is one of the
only other object, or else an object of its own. `flags` of the image that are set are its class, where it is one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import InputError
from ..reading.class_names import natural_key
from ..reading.discovery import files_below, image_suffixes
from ..reading.tables import is_file
from .base import Format
from .record import Box, Instance, Packed, Point, Record, Value
from .shared.files import below, finder, head_of, missing, numbers, read_json, some_of
from .shared.shapes import Polygons, RunLengths, polygon

AREAS = ("polygon", "rectangle", "circle", "mask")
MARKS = (b'"shapes"', b'"imagePath"', b'"flags"', b'"version"')
CORNERS = 32  # of the polygon of a circle


def found(path: Path) -> bool:
    """Whether there are JSON files with `shapes` and other keys of LabelMe."""
    first = some_of(path, ".json")[:3]
    return any(_is_labelme(file) for file in first)


def _is_labelme(file: Path) -> bool:
    """Two of the keys stand at the beginning of the file; `imagePath` follows the shapes."""
    head = head_of(file)
    return MARKS[0] in head and any(mark in head for mark in MARKS[1:])


def read(path: Path) -> Iterator[Record]:
    """The images that the JSON files in the folder and its subfolders describe, in natural order of these.

    Raises:
        InputError: a file is broken, or its image is neither beside it nor in it.
    """
    files = [file for file in files_below(path) if file.suffix.lower() == ".json" and _is_labelme(file)]
    for file in sorted(files, key=lambda one: natural_key(one.relative_to(path).as_posix())):
        content = read_json(file)
        image = _image(file, content, path)
        try:
            height, width = (int(content[side]) for side in ("imageHeight", "imageWidth"))
            shapes = content.get("shapes") or []
            name = below(image, path) if isinstance(image, Path) else below(file, path) + image.suffix
            yield Record(
                name,
                image,
                (height, width),
                _flags(content),
                tuple(_instances(shapes, (height, width))),
                described=file,
            )
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            raise InputError(
                f"{file}: is not in the format of LabelMe ({type(error).__name__}: {error}), expected imageHeight, "
                "imageWidth and shapes with label, points and shape_type. Correct or remove it"
            ) from None


class Embedded(Packed):
    """An image in the `imageData` of a JSON, in base 64."""

    def __init__(self, file: Path, suffix: str) -> None:
        super().__init__(f"{file}:imageData", suffix)
        self.file = file

    def packed(self) -> bytes:
        return base64.b64decode(read_json(self.file)["imageData"])


def _image(file: Path, content: dict[str, Any], path: Path) -> Path | Embedded:
    named = str(content.get("imagePath") or "")
    beside = finder([file.parent], file.parent, path)(named) if named else None
    if beside is not None:
        return beside
    same = next((file.with_suffix(one) for one in sorted(image_suffixes()) if is_file(file.with_suffix(one))), None)
    if same is not None:
        return same
    if not content.get("imageData"):
        raise missing(file, [named or "no image"], 1)
    try:
        head = base64.b64decode(str(content["imageData"])[:64])
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{file}: imageData is not in base 64 ({error}). Save it again with its image") from None
    return Embedded(file, ".jpg" if head.startswith(b"\xff\xd8") else ".png")


def _flags(content: dict[str, Any]) -> dict[str, Value]:
    """The class of an image: the only flag that is set."""
    flags = content.get("flags")
    on = [name for name, value in flags.items() if value is True] if isinstance(flags, dict) else []
    return {"label": on[0]} if len(on) == 1 else {}


def _instances(shapes: list[dict[str, Any]], size: tuple[int, int]) -> Iterator[Instance]:
    groups: dict[Any, list[dict[str, Any]]] = {}
    for i, shape in enumerate(shapes):
        group = shape.get("group_id")
        groups.setdefault(("single", i) if group is None else ("group", group), []).append(shape)
    areas = [key for key, group in groups.items() if any(_kind(shape) in AREAS for shape in group)]
    if len(areas) == 1:  # loose points are of the only object
        for key in [key for key in groups if key not in areas and key[0] == "single"]:
            if _kind(groups[key][0]) == "point":
                groups[areas[0]] += groups.pop(key)
    for key, group in groups.items():
        yield _instance(group, key[1] if key[0] == "group" else None, size)


def _kind(shape: dict[str, Any]) -> str:
    return str(shape.get("shape_type", "polygon"))


def _instance(group: list[dict[str, Any]], id_: Any, size: tuple[int, int]) -> Instance:
    area = next((shape for shape in group if _kind(shape) in AREAS), group[0])
    box: Box | None = None
    parts, points = [], {}
    for shape in group:
        corners = np.array([numbers(corner, 2) for corner in shape["points"]]).reshape(-1, 2)
        if _kind(shape) == "rectangle":
            (left, top), (right, bottom) = corners.min(0) - 0.5, corners.max(0) - 0.5
            box = (float(left), float(top), float(right), float(bottom))
        elif _kind(shape) == "circle":
            centre, radius = corners[0], float(np.hypot(*(corners[1] - corners[0])))
            turn = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
            parts.append(centre + radius * np.stack([np.cos(turn), np.sin(turn)], 1) - 0.5)
        elif _kind(shape) == "polygon":
            parts.append(polygon(corners.ravel().tolist()))
        elif _kind(shape) == "point":
            x, y = (corners[0] - 0.5).tolist()
            points[str(shape["label"])] = Point(x, y)
    masks = [_mask(shape, size) for shape in group if _kind(shape) == "mask"]
    polygons = Polygons(tuple(parts))
    drawn = RunLengths.of(np.any([polygons.pixels(*size), *masks], axis=0)) if masks else None
    mask = drawn or (polygons if parts else None)
    flags = area.get("flags")
    ignored = isinstance(flags, dict) and flags.get("difficult") is True
    return Instance(str(area["label"]), box or (None if mask is None else mask.box), mask, points, ignored, id_)


def _mask(shape: dict[str, Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels (H, W) of a shape `mask`: a PNG in base 64, whose first and last pixels the two points name."""
    (left, top), (right, bottom) = ((int(one) for one in numbers(corner, 2)) for corner in shape["points"])
    with Image.open(BytesIO(base64.b64decode(shape["mask"]))) as opened:
        part = np.asarray(opened) > 0
    if (
        part.shape != (bottom - top + 1, right - left + 1)
        or left < 0
        or top < 0
        or right >= size[1]
        or bottom >= size[0]
    ):
        raise ValueError(f"a mask of {part.shape} pixels at {shape['points']} in an image of {size[0]} x {size[1]}")
    found = np.zeros(size, bool)
    found[top : bottom + 1, left : right + 1] = part
    return found


LABELME = Format("labelme", "LabelMe JSON", found, read, pictures=True)
