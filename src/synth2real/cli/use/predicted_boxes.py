"""Predictions of a detector: a CSV file with a row for each box, and COCO's result JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.formats import coco
from ...data.labels import Boxes
from ...data.reading.discovery import counted
from ...errors import InputError
from ...storage import make_folder, write_text
from ...tasks import Detection
from ...training.predictions import Predictions
from ..arguments import PredictArguments
from ..console import Result, amount, console
from ..outputs import check_new_file
from ..provenance import recorded
from .cells import harmless, write_table

COLUMNS = ("file_name", "x0", "y0", "x1", "y1", "label", "confidence")
NAME = "predictions.csv"  # in --out, if that is a folder
CERTAIN = 0.5  # confidence from which a box is counted in the summary; the files have all
PIXELS, SCORE = 2, 6  # decimals


def files_of(args: PredictArguments) -> tuple[Path, Path]:
    """The CSV and the JSON to write.

    Raises:
        InputError: one exists and is not to be replaced, or an option is for other tasks.
    """
    if args.probabilities:
        raise InputError("--probabilities: the run predicts boxes (detect), expected a run that classifies")
    if args.few_labels is not None or args.group is not None:
        raise InputError("--few-labels and --group: the run predicts boxes, which few labels do not correct")
    out = args.out
    table = out if out.suffix.lower() == ".csv" and not out.is_dir() else out / NAME
    if out.is_file() and table != out:
        raise InputError(f"--out {out}: is a file, expected a new CSV file or a folder, such as {out.with_suffix('')}")
    results = table.with_suffix(".json")
    for file in (table, results):
        check_new_file(file, "a", (), args.overwrite)
    return table, results


def write_boxes(args: PredictArguments, predictions: Predictions) -> Result:
    """Write both files, and say how many boxes of each class there are."""
    table, results = files_of(args)
    task, boxes = predictions.task, predictions.values
    assert isinstance(task, Detection)
    assert isinstance(boxes, Boxes)
    ids = ids_of(args.images, predictions.names, task.classes)
    make_folder(table.parent)
    with recorded("predict", args, table, results):
        write_table(table, rows(boxes, predictions.names, task.classes))
        write_text(results, json.dumps(list(coco_results(boxes, ids)), allow_nan=False))
    found = summary(boxes, task.classes)
    say(found, ids, (table, results))
    return {**found, "out": table, "coco": results}


def rows(boxes: Boxes, names: Any, classes: tuple[str, ...]) -> Iterator[list[str]]:
    """The table, header first: the boxes of each image, the most certain ones first."""
    yield list(COLUMNS)
    for image, corners, index, score in _each(boxes):
        row = [names[image], *(f"{value:.{PIXELS}f}" for value in corners), classes[index], f"{score:.{SCORE}f}"]
        yield [harmless(cell) for cell in row]


def _each(boxes: Boxes) -> Iterator[tuple[int, list[float], int, float]]:
    """Image, corners, class and score of each box."""
    parts = (boxes.image, boxes.corners.double(), boxes.classes, boxes.scores.double())
    return zip(*(part.tolist() for part in parts), strict=True)


@dataclass(frozen=True)
class Ids:
    """What COCO's result JSON calls images and classes.

    Args:
        images, classes: the id of each.
        said: where they are from.
    """

    images: list[Any]
    classes: list[Any]
    said: str


def ids_of(path: Path, names: Any, classes: tuple[str, ...]) -> Ids:
    """The ids of the COCO file beside the images, if it lists all of them and of the classes; else numbers from 1.

    Only its lists of images and categories are looked at.
    """
    files = coco.descriptions(path)
    if len(files) == 1:
        with suppress(InputError):  # what is broken beside the images does not concern a prediction
            images, called = coco.ids_of(path, files[0])
            if set(names) <= set(images) and set(classes) <= set(called):
                of = f"those of {files[0].name}"
                return Ids([images[name] for name in names], [called[name] for name in classes], of)
    return Ids(list(range(1, len(names) + 1)), list(range(1, len(classes) + 1)), "numbers from 1, in order")


def coco_results(boxes: Boxes, ids: Ids) -> Iterator[dict[str, Any]]:
    """The list of COCO's result format: left, top, width and height, from the corner of the image."""
    for image, (left, top, right, bottom), index, score in _each(boxes):
        box = [round(value, PIXELS) for value in (left, top, right - left, bottom - top)]
        yield {
            "image_id": ids.images[image],
            "category_id": ids.classes[index],
            "bbox": box,
            "score": round(score, SCORE),
        }


def summary(boxes: Boxes, classes: tuple[str, ...]) -> Result:
    """How many images and boxes there are, and how many certain boxes of each class."""
    certain = boxes.kept(boxes.scores >= CERTAIN)
    counts = certain.classes.bincount(minlength=len(classes)).tolist()
    return {
        "count": len(boxes),
        "boxes": len(boxes.corners),
        "classes": dict(zip(classes, counts, strict=True)),
        "without": int((certain.counts == 0).sum()),
    }


def say(found: Result, ids: Ids, files: tuple[Path, Path]) -> None:
    """Say what was predicted."""
    of = ", ".join(f"{name}: {count}" for name, count in found["classes"].items())
    left_out = counted(console.left_out)
    for line in (
        f"predicted {found['boxes']} boxes in {found['count']} images; of confidence {CERTAIN} or more {of}; "
        f"{amount(found['without'], 'image')} without such a box",
        f"left out: {left_out}" if left_out else "",
        f"predictions: {files[0]}",
        f"COCO results: {files[1]} (ids of images and classes: {ids.said})",
    ):
        if line:
            console.print(line, soft_wrap=True)
