"""Reading images with their boxes: from the records of any format, and from `.npz`."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...errors import InputError, LeftOutWarning
from ..domains import Labelled
from ..formats import Format
from ..formats.domains import records_of
from ..formats.record import Box, Instance, Record
from ..formats.shared.shapes import Polygons, RunLengths, box_around
from ..labels import Boxes
from ..reading.class_names import natural_key
from ..reading.images import Decoded, decode
from ..reading.pixels import Conversion
from .arrays import load_arrays
from .classes import only
from .formats import boxes_format

HALF = 0.5  # pixels between the coordinates of records, which count from the centre of a pixel, and those of edges
FLAT, BOXLESS = "without an area in their image", "without a box"  # what is left out, and why


def load_boxes(path: Path, kind: str | None, names: Sequence[str], how: Conversion) -> Labelled:
    """Images with their boxes, see `load`. Boxes are in pixels of the images as they are on disk.

    Boxes are cut off at the frame of their image. Those that then have no area are left out, with a warning.

    Args:
        path: a folder or file of any format with boxes, or an `.npz`.
        kind: name of the format; None to find it.
        names: of the classes that are kept, see `classes.only`; none for all.
        how: the images are converted.

    Raises:
        InputError: there are no boxes; a category is not named; an image has another size than its labels say; or as
            `records_of` and `decode`.
    """
    if path.suffix.lower() == ".npz":
        return load_arrays(path, names, how)
    found = boxes_format(path, kind)
    records = records_of(found, path)
    # Labels are looked at before any image is decoded, which takes long.
    classes, boxes = _boxes_of(path, found, records)
    classes, table = only(classes, names, str(path))
    read = decode([one.image for one in records], how)
    kept = [records[i] for i in read.kept]
    sizes = _sizes(path, kept, read)
    boxes = boxes[torch.tensor(read.kept)].mapped(table)
    inside = boxes.clipped(sizes)
    _say_left_out(path, kept, boxes, inside)
    return Labelled(read.images, inside, classes, names=tuple(one.name for one in kept), **read.facts)


def _boxes_of(path: Path, kind: Format, records: Sequence[Record]) -> tuple[tuple[str, ...], Boxes]:
    """The names of the classes that occur, in natural order, and the boxes of all images.

    Raises:
        InputError: there is no box, or a box has a category that is not named.
    """
    _check_named(path, records)
    found = [[(one, box) for one in record.instances if (box := _box(one, record)) is not None] for record in records]
    classes = tuple(sorted({str(one.category) for pairs in found for one, _ in pairs}, key=natural_key))
    if not classes:
        raise InputError(
            f"{path}: {kind.about} holds no box in {len(records):,} images, expected at least one. Check the "
            "annotations"
        )
    bare = [record.name for record, pairs in zip(records, found, strict=True) for _ in record.instances[len(pairs) :]]
    _warn(path, bare, BOXLESS)
    number = {name: i for i, name in enumerate(classes)}
    return classes, Boxes.of(
        [torch.tensor([box for _, box in pairs], dtype=torch.float64) + HALF for pairs in found],
        [torch.tensor([number[str(one.category)] for one, _ in pairs]) for pairs in found],
        [torch.tensor([one.ignored for one, _ in pairs]) for pairs in found],
    )


def _box(one: Instance, record: Record) -> Box | None:
    """The box of an object, or else the one around its mask; None without either."""
    if one.box is not None or one.mask is None:
        return one.box
    if isinstance(one.mask, Polygons | RunLengths):
        return one.mask.box
    return box_around(one.mask.pixels(*record.sides))


def _check_named(path: Path, records: Sequence[Record]) -> None:
    """Raise `InputError` where an object has a category that is not named."""
    unnamed = [(one, record) for record in records for one in record.instances if one.category is None]
    if not unnamed:
        return
    _, record = unnamed[0]
    shown = Counter(one.unknown or "none" for one, _ in unnamed)
    raise InputError(
        f"{path}: {len(unnamed):,} objects have a category that is not named ({', '.join(list(shown)[:5])}), the first "
        f"is in {record.name}, expected one of the names in {record.described or path}. Name it there, or remove them"
    )


def _sizes(path: Path, records: Sequence[Record], read: Decoded) -> Tensor:
    """Height and width of each image on disk, (N, 2).

    Raises:
        InputError: an image has another size than its labels were made for.
    """
    sizes = torch.tensor(read.images.shape[2:]).expand(len(records), 2) if read.sizes is None else read.sizes
    for one, (height, width) in zip(records, sizes.tolist(), strict=True):
        if one.size is not None and one.size != (height, width):
            turned = " Is it turned by its EXIF tag? Images are read upright." if one.size == (width, height) else ""
            raise InputError(
                f"{one.image}: is {height} x {width} pixels, but {one.described or path} describes it as "
                f"{one.size[0]} x {one.size[1]} (height x width), so that its boxes would lie wrong.{turned} Restore "
                "the image, or label it again"
            )
    return sizes


def _say_left_out(path: Path, records: Sequence[Record], boxes: Boxes, inside: Boxes) -> None:
    """Warn of boxes that have no area inside their image."""
    lost = (boxes.counts - inside.counts).tolist()
    _warn(path, [one.name for one, count in zip(records, lost, strict=True) for _ in range(count)], FLAT)


def _warn(path: Path, names: Sequence[str], why: str) -> None:
    """Warn of objects that are left out; `names` has the image of each."""
    if names:
        text = f"{path}: left out {len(names):,} objects {why}, the first in {names[0]}. See `synth2real check`"
        warnings.warn(LeftOutWarning(text, {f"objects {why}": len(names)}), stacklevel=5)
