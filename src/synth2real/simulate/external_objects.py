"""Objects that an external program writes: the boxes of a COCO JSON beside its images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..data.formats import coco
from ..data.formats.record import Instance, Record
from ..data.labels import Boxes
from ..data.reading.class_names import natural_key
from ..errors import InputError


def records_of(named: str, out: Path) -> list[Record]:
    """The images with their objects that the program `named` wrote to `out`, in natural order of their names.

    Raises:
        InputError: there is no such JSON, or it is not in the format of COCO.
    """
    if not coco.descriptions(out):
        raise InputError(
            f"{named} wrote no COCO JSON, expected annotations.json with `images`, `annotations` and `categories`, "
            "because its description has `things`"
        )
    return sorted(coco.read(out), key=lambda record: natural_key(record.name))


def boxes_of(named: str, records: Sequence[Record], things: Sequence[str], size: tuple[int, int]) -> Boxes:
    """The boxes of all images, cut off at the frame and scaled with the images to `size` (height, width) in pixels.

    Raises:
        InputError: an object has no box, no area in its image, or another class than `things`.
    """
    corners, classes, ignored = [], [], []
    for record in records:
        height, width = record.sides
        scale = torch.tensor([size[1] / width, size[0] / height] * 2)
        found = [_corners(named, record, one) for one in record.instances]
        corners.append(torch.stack(found) * scale if found else torch.zeros(0, 4))
        classes.append(torch.tensor([_class(named, record, one, things) for one in record.instances]))
        ignored.append(torch.tensor([one.ignored for one in record.instances]))
    return Boxes.of(corners, classes, ignored)


def _corners(named: str, record: Record, one: Instance) -> Tensor:
    """(4,) left, top, right and bottom of a box within its image."""
    height, width = record.sides
    if one.box is None:
        raise InputError(f"{named}: an object of {record.name} has no `bbox`, expected [left, top, width, height]")
    whole = torch.tensor(one.box) + 0.5
    corners = torch.minimum(whole.clamp(min=0), torch.tensor([width, height, width, height]))
    if not (corners[2:] > corners[:2]).all():
        left, top, right, bottom = whole.tolist()
        raise InputError(
            f"{named}: an object of {record.name} has the `bbox` [{left:g}, {top:g}, {right - left:g}, "
            f"{bottom - top:g}], expected [left, top, width, height] in pixels, with an area within the image of "
            f"{width} x {height}"
        )
    return corners


def _class(named: str, record: Record, one: Instance, things: Sequence[str]) -> int:
    name = one.category if one.category is not None else one.unknown
    if name not in things:
        raise InputError(
            f"{named}: an object of {record.name} is of the class '{name}', expected one of: {', '.join(things)}"
        )
    return things.index(name)
