"""COCO JSON: `annotations.json` beside `images/`.

Image-level labels are written as `attributes` of an image, and semantic masks as `masks/NAME.png` under
`sem_seg_file_name`; tools that know COCO alone pass over both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ....storage import make_folder, whole, write_text
from ..record import UNSEEN, Instance, Record
from ..shared.objects import area_of, packed_box, packed_mask
from ..shared.shapes import Polygons, RunLengths
from ..shared.summary import Summary
from .base import Lost, Names, Writer, unnamed, write_image
from .masks import mask_bytes

FILE, IMAGES, MASKS = "annotations.json", "images", "masks"


def lost(summary: Summary) -> Lost:
    """What COCO cannot hold."""
    return unnamed(summary)


def write(records: Iterable[Record], summary: Summary, out: Path) -> None:
    """Write the images, and one JSON for all."""
    ids = {name: i for i, name in enumerate(summary.classes, start=1)}
    names, images = Names(), []
    annotations: list[dict[str, Any]] = []
    masks = summary.mask_numbers()
    for i, record in enumerate(records, start=1):
        file = write_image(record, out / IMAGES, names.of(record))
        height, width = record.sides
        name = file.relative_to(out / IMAGES)
        image: dict[str, Any] = {"id": i, "file_name": f"{IMAGES}/{name.as_posix()}", "height": height, "width": width}
        if record.values:
            image["attributes"] = dict(record.values)
        if record.semantic is not None:
            mask = out / MASKS / name.with_suffix(".png")
            make_folder(mask.parent)
            with whole(mask) as partial:
                partial.write_bytes(mask_bytes(record.semantic, masks))
            image["sem_seg_file_name"] = mask.relative_to(out).as_posix()
        images.append(image)
        for one in record.instances:
            if one.category is not None:
                raw = _annotation(one, summary.points[one.category], height, width)
                annotations.append({"id": len(annotations) + 1, "image_id": i, "category_id": ids[one.category], **raw})
    content: dict[str, Any] = {
        "info": {"description": "written by synth2real convert"},
        "images": images,
        "annotations": annotations,
        "categories": [_category(name, number, summary) for name, number in ids.items()],
    }
    if summary.semantic:
        content["sem_seg_classes"] = [{"id": number, "name": name} for name, number in masks.items()]
    write_text(out / FILE, json.dumps(content, allow_nan=False))


def _category(name: str, number: int, summary: Summary) -> dict[str, Any]:
    points = summary.points[name]
    return {"id": number, "name": name, **({"keypoints": points, "skeleton": []} if points else {})}


def _annotation(one: Instance, points: list[str], height: int, width: int) -> dict[str, Any]:
    box = one.box
    if box is None and isinstance(one.mask, Polygons | RunLengths):
        box = one.mask.box
    found: dict[str, Any] = {"iscrowd": int(one.ignored), "area": area_of(one, height, width)}
    if box is not None:
        found["bbox"] = packed_box(box)
    if one.mask is not None:
        found["segmentation"] = packed_mask(one.mask, height, width)
    if points:
        known = [one.points.get(name) for name in points]
        rows = [(0, 0, 0) if point is None or point.visibility == UNSEEN else point for point in known]
        found["keypoints"] = [value for row in rows for value in row]
        found["num_keypoints"] = sum(row[2] != UNSEEN for row in rows)
    return found


COCO = Writer("coco", "COCO JSON", lost, write)
