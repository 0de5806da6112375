"""What is wrong with boxes: classes with few of them, images without any, tiny ones, and alike images that differ."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..data.domains import Labelled
from ..data.labels import Boxes
from ..tasks.boxes import matched
from ..tasks.detection import MOST
from .priors import unbalanced

FEW = 50  # boxes; a class with fewer is hardly learnt
SMALL = 4.0  # pixels of the model's input, the distance of the points at which it looks for centres
MOSTLY = 0.5  # share of the images without a box, or of the boxes of a class that are small, from which on is a warning
AGREE = 0.5  # share of the boxes of two images that must match, else they are different


def described(domain: Labelled) -> dict[str, Any]:
    """For each class its number of boxes, its share, and the median of the shorter sides; and how images are filled.

    Sides are in pixels of the model's input. Ignored boxes are only counted.
    """
    boxes: Boxes = domain.labels
    known = boxes.kept(~boxes.ignored)
    sides = _shorter(known, domain)
    counts = known.classes.bincount(minlength=len(domain.classes))
    rows = {}
    for i, name in enumerate(domain.classes):
        own = sides[known.classes == i]
        rows[name] = {
            "boxes": int(counts[i]),
            "share": float(counts[i]) / max(1, int(counts.sum())),
            "images": int(known.image[known.classes == i].unique().numel()),
            "side": float(own.median()) if len(own) else None,
            "small": float((own < SMALL).double().mean()) if len(own) else 0.0,
        }
    return {
        "boxes": rows,
        "empty": int((known.counts == 0).sum()),
        "most": int(known.counts.max()),
        "in_an_image": float(known.counts.double().mean()),
        "ignored": int(boxes.ignored.sum()),
    }


def _shorter(boxes: Boxes, domain: Labelled) -> Tensor:
    """The shorter side of each box (M,), in pixels of the images as the model takes them."""
    fitting = domain.fitting
    if fitting is not None:
        boxes = boxes.scaled(*fitting.scale_and_shift)
    return (boxes.corners[:, 2:] - boxes.corners[:, :2]).amin(1)


def warnings_of(domains: dict[str, dict[str, Any]]) -> list[str]:
    """What to look at in the boxes of some domains; `domains` has what is known of each, also that of `described`."""
    return [line for name, found in domains.items() if "boxes" in found for line in _warnings(name, found)]


def _warnings(name: str, found: dict[str, Any]) -> list[str]:
    lines = []
    for one, of in found["boxes"].items():
        if of["boxes"] < FEW:
            lines.append(f"{name}: the class '{one}' has {of['boxes']} boxes, expected {FEW} or more")
        elif of["small"] > MOSTLY:
            lines.append(
                f"{name}: {of['small']:.0%} of the boxes of the class '{one}' have a side of less than {SMALL:g} "
                "pixels of the images as they are loaded. Is there a larger --size that shows it better?"
            )
    counts = torch.tensor([of["boxes"] for of in found["boxes"].values()])
    if name == "source" and len(counts) > 1 and unbalanced(counts):
        most, least = max(found["boxes"].items(), key=_boxes), min(found["boxes"].items(), key=_boxes)
        lines.append(
            f"{name}: the classes are unbalanced: '{most[0]}' has {most[1]['boxes']} boxes, '{least[0]}' "
            f"{least[1]['boxes']}. The mean AP counts each class alike"
        )
    if found["empty"] > MOSTLY * found["count"]:
        lines.append(f"{name}: {found['empty']} of {found['count']} images have no box. Are they labelled?")
    if found["most"] > MOST:
        lines.append(
            f"{name}: an image has {found['most']} boxes, but at most {MOST} are predicted in one. Cut large images "
            "into parts"
        )
    return lines


def _boxes(row: tuple[str, dict[str, Any]]) -> int:
    count: int = row[1]["boxes"]
    return count


def different(boxes: Boxes, pairs: Tensor) -> Tensor:
    """Which pairs (P, 2) of images have boxes of which less than half match, (P,) bool."""
    return matched(boxes[pairs[:, 0]], boxes[pairs[:, 1]]) < AGREE
