"""COCO JSON: boxes, polygons, run lengths and keypoints of many images in one file, see cocodataset.org/#format-data.

Image-level labels and masks of classes, which COCO does not have, are read from `attributes` and `sem_seg_file_name` of
an image, where `convert` writes them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..reading.tables import listed
from .base import Format
from .record import Box, Instance, Mask, Picture, Point, Record, Semantic, Value
from .shared.files import below, finder, mentions, missing, numbers, read_json, say_elsewhere, some_of
from .shared.shapes import Polygons, RunLengths, checked_counts, polygon, unpacked_counts

MARKS = (rb'"images"\s*:\s*\[', rb'"annotations"\s*:\s*\[')
PLACES = ("", "annotations", "labels", "coco_data")  # folders that the file may be in
SEMANTIC = "sem_seg_classes"  # key of the classes of masks
PARTS = 3  # numbers of a keypoint: x, y, visibility


def descriptions(path: Path) -> list[Path]:
    """The COCO files of a folder, or the file itself."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" and mentions(path, *MARKS) else []
    return [file for place in PLACES for file in some_of(path / place, ".json") if mentions(file, *MARKS)]


def root_of(path: Path, file: Path) -> Path:
    """The folder that images are searched below: the given one, or for a file that which its data set is in."""
    if path.is_dir():
        return path
    return file.parent.parent if file.parent.name in PLACES[1:] else file.parent


def read(path: Path) -> Iterator[Record]:
    """The images that a COCO file lists, in its order, also those without annotations.

    Raises:
        InputError: there are several such files, one is broken, or an image is missing or listed twice.
    """
    files = descriptions(path)
    if len(files) != 1:
        shown = listed([below(one, path) for one in files[:4]]) if files else "none"
        raise InputError(
            f"{path}: found {len(files)} COCO files ({shown}), expected one. Give the file: {path}/FILE.json"
        )
    (file,) = files
    content, root = read_json(file), root_of(path, file)
    images = _listed(content, "images", file)
    find = _finder(file, root)
    found = [find(str(one.get("file_name", ""))) for one in images]
    absent = [str(one.get("file_name")) for one, image in zip(images, found, strict=True) if image is None]
    if absent:
        raise missing(file, absent, len(images))
    twice = next((image for image, times in Counter(found).items() if times > 1), None)
    if twice is not None:
        raise InputError(
            f"{file}: lists the image {twice.name} {found.count(twice)} times, expected once. Keep one entry"
        )
    say_elsewhere(file, ((str(one.get("file_name")), image) for one, image in zip(images, found, strict=True) if image))
    of_image = _by_image(content, images, file)
    categories = _categories(content, file)
    classes = {one.get("id"): str(one.get("name")) for one in _listed(content, SEMANTIC, file, needed=False)}
    for one, image in zip(images, found, strict=True):
        assert image is not None
        yield Record(
            below(image, root),
            image,
            _size(one),
            _values(one),
            tuple(_instance(raw, categories, _size(one), file) for raw in of_image[one["id"]]),
            _semantic(one, classes, find, file),
            file,
        )


def _finder(file: Path, root: Path) -> Callable[[str], Path | None]:
    return finder([file.parent, root, root / "images", file.parent / "images"], root)


def of_images(path: Path, file: Path, kept: Collection[Path]) -> dict[str, Any]:
    """What a COCO file of a folder says of some of its images.

    Args:
        path: the folder.
        file: in it.
        kept: the images.
    """
    content, find = read_json(file), _finder(file, path)
    images = [one for one in _listed(content, "images", file) if find(str(one.get("file_name", ""))) in kept]
    ids = {one["id"] for one in images}
    annotations = [one for one in _listed(content, "annotations", file) if one.get("image_id") in ids]
    return {**content, "images": images, "annotations": annotations}


def ids_of(path: Path, file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ids of the images of a COCO file, by their names, and of its categories; annotations are not looked at.

    Args:
        path: the folder, or the file itself.
        file: in it.
    """
    content, root = read_json(file), root_of(path, file)
    find = _finder(file, root)
    files = [(find(str(one.get("file_name", ""))), one.get("id")) for one in _listed(content, "images", file)]
    categories = {str(one.get("name")): one.get("id") for one in _listed(content, "categories", file, needed=False)}
    return {below(image, root): number for image, number in files if image is not None}, categories


def _listed(content: dict[str, Any], key: str, file: Path, *, needed: bool = True) -> list[dict[str, Any]]:
    found = content.get(key, None if needed else [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(f"{file}: '{key}' is no list of objects, expected the format of COCO")
    return found


def _by_image(content: dict[str, Any], images: list[dict[str, Any]], file: Path) -> dict[Any, list[dict[str, Any]]]:
    """The annotations of each image by its id."""
    ids = Counter(str(one.get("id")) if isinstance(one.get("id"), dict | list) else one.get("id") for one in images)
    wrong = next((key for key, times in ids.items() if times > 1 or key is None), "")
    if wrong != "":
        raise InputError(f"{file}: {ids[wrong]} images have the id {wrong}, expected one id for each. Number them")
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for one in _listed(content, "annotations", file):
        if one.get("image_id") not in ids:
            raise InputError(
                f"{file}: the annotation {one.get('id')} is of the image {one.get('image_id')}, which is not listed "
                "under 'images'. Remove it, or list the image"
            )
        found[one["image_id"]].append(one)
    return found


def _categories(content: dict[str, Any], file: Path) -> dict[Any, dict[str, Any]]:
    """The categories by their id."""
    found: dict[Any, dict[str, Any]] = {}
    for one in _listed(content, "categories", file, needed=False):
        other = found.setdefault(one.get("id"), one)
        if other.get("name") != one.get("name"):
            raise InputError(
                f"{file}: the categories '{other.get('name')}' and '{one.get('name')}' have the id {one.get('id')}, "
                "expected one id for each. Number them"
            )
    return found


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    height, width = image.get("height"), image.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) and height > 0 < width else None


def _semantic(
    image: dict[str, Any], classes: dict[Any, str], find: Callable[[str], Path | None], described: Path
) -> Semantic | None:
    """The mask of classes that `convert` writes beside the images."""
    if not image.get("sem_seg_file_name"):
        return None
    file = find(str(image["sem_seg_file_name"]))
    if file is None:
        raise missing(described, [str(image["sem_seg_file_name"])], 1, "masks")
    return Semantic(Picture(file), classes)


def _values(image: dict[str, Any]) -> dict[str, Value]:
    found = image.get("attributes")
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str | int | float | None)}


def _instance(
    raw: dict[str, Any], categories: dict[Any, dict[str, Any]], size: tuple[int, int] | None, file: Path
) -> Instance:
    known = categories.get(raw.get("category_id"), {})
    try:
        return Instance(
            str(known["name"]) if "name" in known else None,
            None if raw.get("bbox") in (None, []) else box_of(raw["bbox"]),
            mask_of(raw.get("segmentation"), size),
            _points(raw.get("keypoints") or [], known.get("keypoints")),
            bool(raw.get("iscrowd", 0)),
            raw.get("id"),
            "" if "name" in known else str(raw.get("category_id")),
        )
    except (ValueError, TypeError, KeyError) as error:
        why = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise InputError(
            f"{file}: the annotation {raw.get('id')} of the image {raw.get('image_id')} is not in the format of COCO "
            f"({why}). Correct or remove it"
        ) from None


def box_of(numbers_: Any) -> Box:
    """A box of COCO (left, top, width, height from the corner of the image) in our coordinates."""
    x, y, width, height = numbers(numbers_, 4)
    return x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5


def mask_of(found: Any, size: tuple[int, int] | None) -> Mask | None:
    """A segmentation of COCO: polygons, or run lengths, compressed or not."""
    if not found:
        return None
    if isinstance(found, list):
        return Polygons(tuple(polygon(numbers(one)) for one in found))
    height, width = (int(side) for side in numbers(found["size"], 2))
    counts = found["counts"]
    if size is not None and size != (height, width):
        raise ValueError(f"a mask of {height} x {width} in an image of {size[0]} x {size[1]}")
    runs: RunLengths = checked_counts(
        unpacked_counts(counts) if isinstance(counts, str) else [int(one) for one in counts], (height, width)
    )
    return runs


def _points(flat: Any, names: Any) -> dict[str, Point]:
    """Keypoints (x, y, visibility by turns) by the names of their category; without names by their number."""
    values = numbers(flat)
    if len(values) % PARTS:
        raise ValueError(f"{len(values)} numbers of keypoints, expected x, y and visibility of each")
    count = len(values) // PARTS
    named = [str(name) for name in names] if isinstance(names, list) else [str(i) for i in range(count)]
    if count and len(named) != count:
        raise ValueError(f"{count} keypoints, but the category names {len(named)}")
    triples = (values[PARTS * i : PARTS * (i + 1)] for i in range(count))
    wrong = next((one for one in values[2::PARTS] if one not in (0, 1, 2)), None)
    if wrong is not None:
        raise ValueError(f"a visibility of {wrong:g}, expected 0, 1 or 2")
    return {name: Point(x, y, int(seen)) for name, (x, y, seen) in zip(named, triples, strict=False)}


COCO = Format("coco", "COCO JSON", lambda path: bool(descriptions(path)), read, pictures=True)
