"""YOLO folders of Ultralytics: `data.yaml`, and a text of labels for each image (docs.ultralytics.com/datasets).

A line is the number of a class and, in shares of the image's width and height, a box (x and y of its centre, width,
height), a polygon, or a box and the points of a pose (`kpt_shape`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ...errors import InputError
from ..reading.class_names import natural_key
from ..reading.discovery import files_below, is_image
from ..reading.tables import is_file
from .base import Format
from .record import VISIBLE, Instance, Point, Record, sides_of
from .shared.files import below, numbers, read_text, some_of
from .shared.shapes import FEWEST, Polygons

PARTS = ("train", "val", "test")
SUFFIXES = (".yaml", ".yml")
ABOVE = 2  # folders between that of a part and its YAML file
BOX = 4  # numbers of a box


def found(path: Path) -> bool:
    """Whether there is a YAML file with `names` and folders of images, in the folder or, for a part of a set, above."""
    return bool(descriptions(path))


def descriptions(path: Path) -> list[Path]:
    """The YAML file of a folder, or the file itself; else that above a folder of a part, such as `train/`; or none."""
    if path.is_file():
        return [path] if path.suffix.lower() in SUFFIXES and _describes(path) else []
    above = [one for one in path.absolute().parents[:ABOVE] if _is_part(path)]
    return next(([file] for place in (path, *above) for file in some_of(place, *SUFFIXES) if _describes(file)), [])


def _is_part(path: Path) -> bool:
    """Whether a folder lies as that of a part of a set: `images/train`, or `train` with `images` and `labels` in it."""
    return "images" in path.absolute().parts[-2:] or all((path / name).is_dir() for name in ("images", "labels"))


def _describes(file: Path) -> bool:
    try:
        content = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, InputError, OSError):
        return False
    return isinstance(content, dict) and "names" in content and any(part in content for part in PARTS)


@dataclass(frozen=True)
class Layout:
    """What `data.yaml` says: names of the classes by number, and of the points, and numbers of each point."""

    file: Path
    names: dict[int, str]
    points: tuple[str, ...]
    dims: int

    @classmethod
    def of(cls, file: Path) -> Layout:
        content = yaml.safe_load(read_text(file))
        names, shape = content["names"], content.get("kpt_shape")
        try:
            named = dict(enumerate(names)) if isinstance(names, list) else {int(key): one for key, one in names.items()}
            count, dims = (0, 0) if shape is None else (int(one) for one in numbers(shape, 2))
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"{file}: 'names' or 'kpt_shape' is not as YOLO writes it ({error}), expected names: {{0: car}} and "
                "kpt_shape: [points, 2 or 3]"
            ) from None
        called = content.get("kpt_names")
        known = next(iter(called.values()), []) if isinstance(called, dict) else (called or [])
        points = tuple(map(str, known)) if len(known) == count else tuple(str(i) for i in range(count))
        return cls(file, {key: str(name) for key, name in named.items()}, points, dims)


def read(path: Path) -> Iterator[Record]:
    """The images that lie below the folder, of one part or of all, in natural order; one without a text has no object.

    Raises:
        InputError: a text is broken, or there is no image.
    """
    files = descriptions(path)
    if not files:
        raise InputError(f"{path}: found no data.yaml with names and train, val or test, expected a folder of YOLO")
    (file,) = files
    layout, root = Layout.of(file), path if path.is_dir() else path.parent
    images = sorted(
        (one for one in files_below(root) if is_image(one)),
        key=lambda one: natural_key(one.relative_to(root).as_posix()),
    )
    if not images:
        raise InputError(f"{root}: found no image, expected those that {file.name} names")
    for image in images:
        text = labels_of(image)
        instances = () if text is None else tuple(_instances(text, sides_of(image), layout))
        yield Record(below(image, root), image, None, {}, instances, described=text)


def labels_of(image: Path) -> Path | None:
    """The text of an image: beside it, or where its path has `labels` for the last `images`."""
    text = image.with_suffix(".txt")
    parts, places = text.absolute().parts, [text]
    if "images" in parts[:-1]:
        last = len(parts) - 1 - parts[::-1].index("images")
        places.insert(0, Path(*parts[:last], "labels", *parts[last + 1 :]))
    return next((file for file in places if is_file(file)), None)


def _instances(file: Path, sides: tuple[int, int], layout: Layout) -> Iterator[Instance]:
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if line.strip():
            try:
                yield _instance([float(one) for one in line.split()], sides, layout)
            except ValueError as error:
                raise InputError(
                    f"{file}: line {number} is not in the format of YOLO ({error}), expected a class and a box, a "
                    "polygon, or a box and points. Correct or remove it"
                ) from None


def _instance(values: list[float], sides: tuple[int, int], layout: Layout) -> Instance:
    kind, *rest = numbers(values)
    if kind != int(kind) or kind < 0:
        raise ValueError(f"found the class {kind}")
    known = layout.names.get(int(kind))
    facts: dict[str, Any] = {"category": known, "unknown": "" if known is not None else str(int(kind))}
    height, width = sides
    posed = len(layout.points) * layout.dims
    if len(rest) != BOX and posed == 0:
        if len(rest) % 2 or len(rest) < 2 * FEWEST:
            raise ValueError(f"found {len(rest)} numbers behind the class")
        mask = Polygons((np.array(rest).reshape(-1, 2) * (width, height) - 0.5,))
        return Instance(box=mask.box, mask=mask, **facts)
    if len(rest) != BOX + posed:
        raise ValueError(f"found {len(rest)} numbers behind the class, expected {BOX + posed}")
    x, y, wide, tall = (one * side for one, side in zip(rest, (width, height, width, height), strict=False))
    box = (x - wide / 2 - 0.5, y - tall / 2 - 0.5, x + wide / 2 - 0.5, y + tall / 2 - 0.5)
    return Instance(box=box, points=_points(rest[BOX:], sides, layout), **facts)


def _points(flat: list[float], sides: tuple[int, int], layout: Layout) -> dict[str, Point]:
    """The points of a pose. With two numbers a point, one at 0, 0 is not labelled, as Ultralytics takes it."""
    points = {}
    for i, name in enumerate(layout.points):
        x, y, *seen = flat[i * layout.dims : (i + 1) * layout.dims]
        visibility = int(seen[0]) if seen else (VISIBLE if x or y else 0)
        if visibility not in (0, 1, 2):
            raise ValueError(f"a visibility of {visibility}, expected 0, 1 or 2")
        points[name] = Point(x * sides[1] - 0.5, y * sides[0] - 0.5, visibility)
    return points


YOLO = Format("yolo", "YOLO folder with data.yaml", found, read, pictures=True)
