"""Metrics of boxes, as COCO defines them: average precision and recall."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from ...data.labels import Boxes, areas
from ...errors import InputError
from ..boxes import intersections

USUAL = 100  # boxes of an image that COCO counts; those of large images, which are put together from tiles, all count
LEAST = 0.5  # IoU from which boxes are matched
CHUNK = 256  # predicted boxes whose overlaps are computed at once
SIZES = ("all", "small", "medium", "large")  # of COCO: areas below 32^2, below 96^2, and above


def box_metrics(predictions: Boxes, labels: Boxes, classes: tuple[str, ...]) -> dict[str, Any]:
    """Average precision of predicted boxes, from `faster-coco-eval`.

    `ap50` and `ap75` are the average precision, averaged over the classes that occur, of boxes that overlap a labelled
    one by an IoU of 0.5 and 0.75 or more. `map` is the average over thresholds from 0.5 to 0.95 in steps of 0.05.
    `ap50_of` has it for each class, None for one that does not occur. `recall` is the share of labelled boxes that are
    found (average over the thresholds, up to 100 boxes an image; all of them, where tiles of an image had more),
    `recall_of_size` that of small, medium and large boxes (areas up to 32 and up to 96 pixels squared). Ignored boxes
    count nowhere.

    Raises:
        InputError: no box is labelled, or the package is missing.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError:
        raise InputError(
            "metrics of boxes need the package faster-coco-eval, which is not installed. Install it: pip install "
            "'synth2real[detection]'"
        ) from None
    if bool(labels.ignored.all()):
        raise InputError("the data to evaluate on has no box, expected one or more. Check the annotations")
    most = int(predictions.counts.max()) if len(predictions) else 0
    if most > USUAL:
        predictions, labels = apart(predictions, labels)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(_annotations(labels, classes))
        found = truth.loadRes(_results(predictions)) if len(predictions.corners) else None
        evaluation = COCOeval_faster(truth, found or truth, "bbox")
        if found is None:
            return _nothing(labels, classes)
        evaluation.params.maxDets[-1] = max(USUAL, most)
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = (np.where(x < 0, np.nan, x) for x in (evaluation.eval["precision"], evaluation.eval["recall"]))
    whole = precision[:, :, :, 0, -1]
    each = [_mean(whole[0, :, i]) for i in range(len(classes))]
    return {
        "ap50": _mean(np.array([x for x in each if x is not None])),
        "ap75": _mean(whole[5]),
        "map": _mean(whole),
        "ap50_of": dict(zip(classes, each, strict=True)),
        "recall": _mean(recall[:, :, 0, -1]),
        "recall_of_size": {name: _mean(recall[:, :, i, -1]) for i, name in enumerate(SIZES) if i},
    }


def apart(predictions: Boxes, labels: Boxes) -> tuple[Boxes, Boxes]:
    """The same boxes in more images, each with boxes that could be matched with each other, for the same metrics.

    The cost of matching grows with the square of the boxes of an image.
    """
    ours, theirs = [], []
    for image in range(len(labels)):
        first, second = (slice(*boxes.offsets[image : image + 2].tolist()) for boxes in (predictions, labels))
        for part in torch.arange(first.start, first.stop).split(CHUNK):
            one, two = predictions.corners[part, None], labels.corners[None, second]
            common = intersections(one, two)
            area = areas(predictions.corners[part])[:, None]
            union = area + areas(labels.corners[second]) - common
            ignored = labels.ignored[second]  # a crowd matches what lies in it
            near = common >= LEAST * torch.where(ignored, area, union)
            near &= predictions.classes[part, None] == labels.classes[second]
            row, column = near.nonzero(as_tuple=True)
            ours.append(row + part[0])
            theirs.append(column + second.start)
    count, total = len(predictions.corners), len(predictions.corners) + len(labels.corners)
    links = torch.cat(ours).numpy(), torch.cat(theirs).numpy() + count
    graph = coo_array((np.ones(len(links[0])), links), shape=(total, total))
    number = connected_components(graph, directed=False)[1]
    alone = np.bincount(number)[number] == 1
    number = np.where(alone, total + (np.arange(total) >= count), number)  # all that match nothing in two images
    number = torch.from_numpy(np.unique(number, return_inverse=True)[1].reshape(-1))
    images = int(number.max()) + 1
    return _regrouped(predictions, number[:count], images), _regrouped(labels, number[count:], images)


def _regrouped(boxes: Boxes, image: Tensor, images: int) -> Boxes:
    """The boxes in other images, `image` (M,) int64."""
    order = image.argsort(stable=True)
    offsets = torch.cat([image.new_zeros(1), torch.bincount(image, minlength=images).cumsum(0)])
    return Boxes(boxes.corners[order], boxes.classes[order], offsets, boxes.ignored[order], boxes.scores[order])


def _nothing(labels: Boxes, classes: tuple[str, ...]) -> dict[str, Any]:
    """The metrics if no box is predicted."""
    present = set(labels.classes[~labels.ignored].tolist())
    each = {name: 0.0 if i in present else None for i, name in enumerate(classes)}
    none = dict.fromkeys(SIZES[1:], 0.0)
    return {"ap50": 0.0, "ap75": 0.0, "map": 0.0, "ap50_of": each, "recall": 0.0, "recall_of_size": none}


def _mean(values: Any) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _annotations(boxes: Boxes, classes: tuple[str, ...]) -> dict[str, Any]:
    """The labels as COCO's dictionary."""
    rows = zip(boxes.image.tolist(), _with_sides(boxes), boxes.classes.tolist(), boxes.ignored.tolist(), strict=True)
    return {
        "info": {},
        "images": [{"id": i + 1} for i in range(len(boxes))],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(classes)],
        "annotations": [
            {
                "id": i + 1,
                "image_id": image + 1,
                "category_id": index + 1,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": int(ignored),
            }
            for i, (image, box, index, ignored) in enumerate(rows)
        ],
    }


def _results(boxes: Boxes) -> list[dict[str, Any]]:
    rows = zip(boxes.image.tolist(), _with_sides(boxes), boxes.classes.tolist(), boxes.scores.tolist(), strict=True)
    return [
        {"image_id": image + 1, "category_id": index + 1, "bbox": box, "score": score}
        for image, box, index, score in rows
    ]


def _with_sides(boxes: Boxes) -> list[list[float]]:
    """Boxes as left, top, width and height."""
    corners = boxes.corners.double().clone()
    corners[:, 2:] -= corners[:, :2]
    plain: list[list[float]] = corners.tolist()
    return plain
