"""Boxes in the report: drawn over images, precision against recall, and a table by class."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...comparison.comparison import Comparison
from ...comparison.evaluation import some
from ...data.labels import Boxes
from ...select.validators import against_labels
from ...select.validators.box_curves import Curve
from ...tasks import Detection
from ..images import pixels
from ..overlay import colours, framed
from ..ranking import form_of, number
from .masks import ClassRow, beside, reference_and_chosen

SIDE = 160  # longer side of an image with boxes, in pixels
SHOWN = 0.3  # score from which a box is drawn and counted; if all are below, half of the highest one
POINTS = 200  # of a curve of precision against recall, at most


def legend(task: Detection) -> list[tuple[str, str]]:
    """Name and colour of each class."""
    return list(zip(task.classes, colours(len(task.classes) + 1), strict=True))


def shown(boxes: Boxes) -> Boxes:
    """The boxes that are drawn: those of a score of `SHOWN` or more, without ignored ones."""
    highest = float(boxes.scores.max()) if len(boxes.scores) else 1.0
    return boxes.kept((boxes.scores >= (SHOWN if highest >= SHOWN else highest / 2)) & ~boxes.ignored)


def drawn(images: Tensor, boxes: Boxes, task: Detection) -> Tensor:
    """Images with frames around their boxes, (N, 3, h, w) uint8.

    Args:
        images: (N, C, H, W) uint8, or float32 in 0..1.
        boxes: in pixels of these images.
        task: of the boxes.
    """
    below, found = plain(images), []
    for i, image in enumerate(below):
        picture = Image.fromarray(image.movedim(0, -1).contiguous().numpy())
        framed(picture, boxes[torch.tensor([i])], below.shape[3] / images.shape[3])
        found.append(torch.from_numpy(np.array(picture)).movedim(-1, 0))
    return torch.stack(found) if found else below


def plain(images: Tensor) -> Tensor:
    """Images in the size and form of `drawn`, without boxes."""
    return pixels(images, SIDE).expand(-1, 3, -1, -1)


def pair(images: Tensor, left: Boxes | None, right: Boxes, task: Detection) -> Tensor:
    """Images with boxes on the left (none: plain) beside their copies with other boxes."""
    return beside(plain(images) if left is None else drawn(images, left, task), drawn(images, right, task))


def counts_text(task: Detection, boxes: Boxes) -> str:
    """How many boxes of each class one image has, as text."""
    found = torch.bincount(boxes.classes, minlength=len(task.classes)).tolist()
    said = [f"{count} {name}" for name, count in zip(task.classes, found, strict=True) if count]
    return ", ".join(said[:3]) + (", ..." if len(said) > 3 else "") or "nothing"


def texts(task: Detection, boxes: Boxes) -> list[str]:
    """`counts_text` of each image."""
    return [counts_text(task, boxes[torch.tensor([i])]) for i in range(len(boxes))]


def real_curves(comparison: Comparison) -> dict[str, list[Curve]]:
    """Curves of each class on the real test images, of the baseline or source only, and of the chosen route."""
    test, task = comparison.test, comparison.task
    if test is None or not isinstance(task, Detection):
        return {}
    truth, curves = task.align(test), {}
    for one in reference_and_chosen(comparison):
        found: Any = one.trials[0].run.model.predict(test.unlabelled()).values
        curves[one.name] = against_labels(found, truth, len(task.classes))
    return curves


def precision_recall(curve: Curve) -> tuple[list[float], list[float]]:
    """Recall, and the highest precision at that recall or more, at `POINTS` points or fewer."""
    total = max(1.0, float(curve.objects.sum()))
    recall, precision = curve.right.cumsum(0) / total, curve.precision()
    at = torch.linspace(0, max(0, len(recall) - 1), min(POINTS, len(recall))).long()
    return [0.0, *recall[at].tolist()], [*precision[:1].tolist(), *precision[at].tolist()] or [0.0]


def class_table(comparison: Comparison) -> list[ClassRow]:
    """How many boxes an image has of each class, and how well they are found; empty for other tasks."""
    task = comparison.task
    if not isinstance(task, Detection):
        return []
    routes = reference_and_chosen(comparison)
    source = some(routes[0].trials[0].run.rendered).labels
    columns = {"boxes an image in the source": _each(task, source.kept(~source.ignored))}
    for one in routes:
        columns[f"predicted on target, {one.name}"] = _each(task, shown(one.trials[0].target))
    form = form_of(task.metric)
    for where, key in (("held-out source", "source_metrics"), ("real labels", "test_metrics")):
        for one in routes:
            metrics = getattr(one.trials[0], key)
            found = None if metrics is None else metrics.get("ap50_of")
            if isinstance(found, dict):  # a single run on labelled data has nothing held out
                columns[f"AP50 on {where}, {one.name}"] = [
                    "-" if found[name] is None else form(found[name]) for name in task.classes
                ]
    return [
        ClassRow(name, colour, {title: cells[i] for title, cells in columns.items()})
        for i, (name, colour) in enumerate(legend(task))
    ]


def _each(task: Detection, boxes: Boxes) -> list[str]:
    """Boxes an image of each class, as texts."""
    found = torch.bincount(boxes.classes, minlength=len(task.classes)).double() / max(1, len(boxes))
    return [number(one) for one in found.tolist()]
