"""NVIDIA Replicator, as its BasicWriter writes it: `rgb_0000.png` with boxes and masks of the same number.

The files of a kind may lie beside the image, or in folders beside that of the image (`rgb/`, `bounding_box_2d_tight/`).
Tight boxes, semantic and instance masks are read, see the manual of omni.replicator, "Annotators information". The last
pixel of a box is within it. Depth, normals, 3D boxes, loose boxes and camera parameters are not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ..reading.class_names import natural_key
from ..reading.discovery import files_below
from ..reading.tables import is_file
from .base import Format
from .record import Box, Instance, Picture, Record, Region, Semantic
from .shared.files import below, folders_in, read_text, some_of
from .shared.shapes import box_around

RGB = re.compile(r"rgb_([0-9_]+)\.(png|jpe?g)", re.IGNORECASE)
MARK = re.compile(
    r"(?:bounding_box_2d_tight|bounding_box_2d_loose|bounding_box_3d|semantic_segmentation|instance_segmentation|"
    r"camera_params)(?:_labels|_prim_paths|_mapping|_semantics_mapping)?_([0-9_]+)\.(?:npy|json)"
)
BOXES, SEMANTIC, INSTANCES = "bounding_box_2d_tight", "semantic_segmentation", "instance_segmentation"
FIELDS = ("semanticId", "x_min", "y_min", "x_max", "y_max")
NOTHING = ("BACKGROUND", "UNLABELLED")  # classes of pixels that show no labelled object
NEAR = 1.5  # pixels that the edges of a mask and of its box may lie apart
FAR = 2**30  # coordinates of objects that are not seen are beyond


def images(path: Path) -> list[Path]:
    """The images, in natural order; those without a number are of other programs."""
    return sorted(
        (file for file in files_below(path) if RGB.fullmatch(file.name)),
        key=lambda file: natural_key(file.relative_to(path).as_posix()),
    )


def found(path: Path) -> bool:
    """Whether there are files of annotators with an image `rgb_N` of the same number, here or a folder or two below."""
    places = [path, *folders_in(path), *(inner for folder in folders_in(path) for inner in folders_in(folder))]
    marks = (MARK.fullmatch(file.name) for place in places for file in some_of(place, ".npy", ".json"))
    first = next((mark[1] for mark in marks if mark is not None), None)
    if first is None:
        return False
    names = [f"rgb_{first}{suffix}" for suffix in (".png", ".jpg", ".jpeg", ".PNG", ".JPG")]
    return any(is_file(place / name) for place in places for name in names)


def read(path: Path) -> Iterator[Record]:
    """All images with what is written of them.

    Raises:
        InputError: a file is broken, or an image has no file of an annotator that others have.
    """
    files = images(path)
    _check_whole(files)
    for file in files:
        boxes = _boxes(file)
        masks = list(_masks(file))
        semantic = _part(file, SEMANTIC, ".png")
        classes = {} if semantic is None else _classes(_part(file, SEMANTIC, ".json", "_labels"))
        yield Record(
            below(file, path),
            file,
            None,
            {},
            tuple(_matched(boxes, masks)),
            None if semantic is None else Semantic(Picture(semantic), classes),
            _part(file, BOXES, ".npy") or semantic or _part(file, INSTANCES, ".png"),
        )


def _check_whole(files: list[Path]) -> None:
    """Raise `InputError` if an image lacks what others have: the writer writes a file of each annotator for each.

    Without its file, an image would be one without objects.
    """
    for kind, suffix in ((BOXES, ".npy"), (SEMANTIC, ".png"), (INSTANCES, ".png")):
        bare = [file for file in files if _part(file, kind, suffix) is None]
        if bare and len(bare) < len(files):
            raise InputError(
                f"{bare[0]}: has no {kind}, as {len(bare):,} of {len(files):,} images, but the others have, expected a "
                "file for each. Was the writer interrupted? Render these again, or remove them"
            )


@dataclass(frozen=True)
class _Seen:
    """One object of an annotator: its class, its place in the scene, and its box or mask."""

    category: str | None
    unknown: str
    prim: str
    box: Box | None = None
    mask: Region | None = None


def _part(image: Path, kind: str, suffix: str, word: str = "") -> Path | None:
    """The file of an annotator for an image, such as `bounding_box_2d_tight_labels_0000.json`."""
    number = RGB.fullmatch(image.name)
    assert number is not None
    name = f"{kind}{word}_{number[1]}{suffix}"
    places = (image.parent / name, image.parent.parent / kind / name)
    return next((file for file in places if is_file(file)), None)


def _json(file: Path | None) -> Any:
    if file is None:
        return {}
    try:
        return json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: is not JSON ({error}), expected a whole file. Render it again") from None


def _classes(file: Path | None) -> dict[int | tuple[int, ...], str]:
    """The class of each number or colour, without those of the background."""
    content = _json(file)
    if not isinstance(content, dict):
        raise InputError(f"{file}: holds {type(content).__name__}, expected an object with a class for each number")
    named = {_key(key, file): _class(value) for key, value in content.items()}
    return {key: name for key, name in named.items() if name is not None and name not in NOTHING}


def _class(value: Any) -> str | None:
    """The class of `{"class": "car"}`; of several, which a comma parts, all."""
    if isinstance(value, dict):
        value = value.get("class", next(iter(value.values()), None))
    return None if value is None else str(value)


def _key(text: str, file: Path | None) -> int | tuple[int, ...]:
    """A number, or the colour of a text like `(255, 0, 0, 255)`, whose opacity is left out."""
    numbers = [int(one) for one in re.findall(r"\d+", text)]
    if not numbers:
        raise InputError(f"{file}: has the key '{text}', expected a number or a colour (r, g, b, a)")
    return numbers[0] if len(numbers) == 1 else tuple(numbers[:3])


def _boxes(image: Path) -> list[_Seen]:
    file = _part(image, BOXES, ".npy")
    if file is None:
        return []
    try:
        rows = np.load(file, allow_pickle=False)
    except Exception as error:  # numpy raises errors of any kind for damaged files
        raise InputError(f"{file}: is no array ({error}), expected a .npy file. Render it again") from None
    if rows.dtype.names is None or not set(FIELDS) <= set(rows.dtype.names):
        raise InputError(f"{file}: has the fields {rows.dtype.names}, expected {', '.join(FIELDS)}. Render it again")
    classes = _classes(_part(image, BOXES, ".json", "_labels"))
    prims = _json(_part(image, BOXES, ".json", "_prim_paths"))
    seen = []
    for i, row in enumerate(rows.ravel()):
        semantic, left, top, right, bottom = (int(row[name]) for name in FIELDS)
        if max(abs(left), abs(top), abs(right), abs(bottom)) > FAR:
            continue  # hidden behind others
        name = classes.get(semantic)
        prim = str(prims[i]) if isinstance(prims, list) and i < len(prims) else ""
        box = (left - 0.5, top - 0.5, right + 0.5, bottom + 0.5)
        seen.append(_Seen(name, "" if name is not None else str(semantic), prim, box=box))
    return seen


def _masks(image: Path) -> Iterator[_Seen]:
    file = _part(image, INSTANCES, ".png")
    if file is None:
        return
    classes = _classes(_part(image, INSTANCES, ".json", "_semantics_mapping"))
    prims = _json(_part(image, INSTANCES, ".json", "_mapping"))
    places = {_key(key, file): str(prim) for key, prim in prims.items()} if isinstance(prims, dict) else {}
    for key in classes or [one for one, prim in places.items() if prim not in NOTHING]:
        name = classes.get(key)
        yield _Seen(name, "" if name else str(key), places.get(key, ""), mask=Region(Picture(file), key))


def _matched(boxes: list[_Seen], masks: list[_Seen]) -> Iterator[Instance]:
    """The objects: boxes with their masks, then masks without a box.

    A mask is of the box with the same place in the scene, or where those are not written, of the box around it.
    """
    left = list(boxes)
    joined: dict[int, _Seen] = {}
    alone = []
    for mask in masks:
        of = next((box for box in left if _same(box, mask)), None)
        if of is None:
            alone.append(mask)
        else:
            left.remove(of)
            joined[id(of)] = mask
    for box in boxes:
        mask_of_box = joined.get(id(box))
        yield Instance(
            box.category,
            box.box,
            None if mask_of_box is None else mask_of_box.mask,
            id=box.prim or None,
            unknown=box.unknown,
        )
    for mask in alone:
        yield Instance(mask.category, None, mask.mask, id=mask.prim or None, unknown=mask.unknown)


def _same(box: _Seen, mask: _Seen) -> bool:
    if box.prim and mask.prim:
        return box.prim == mask.prim
    if box.category != mask.category or box.box is None or mask.mask is None:
        return False
    around = box_around(mask.mask.pixels(0, 0))
    return around is not None and max(abs(a - b) for a, b in zip(around, box.box, strict=True)) <= NEAR


REPLICATOR = Format("replicator", "NVIDIA Replicator BasicWriter", found, read)
