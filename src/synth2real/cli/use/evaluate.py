"""`synth2real evaluate`: a trained model on labelled real data."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from ...data.domains import Labelled
from ...data.reading.loading import load
from ...data.reading.places import has_columns
from ...data.tiles.cutting import count_of
from ...deploy import OnnxModel
from ...errors import InputError
from ...measure.metrics import check_metrics, more_metrics
from ...route.run_folder import read_settings
from ...tasks import Classification
from ...tasks.dense import DenseTask
from ...training.model import Model
from ..arguments import EvaluateArguments
from ..console import WIDTH, Result, print_result
from ..few_labels import groups_of
from ..inputs import check_units_of, load_run, pictured, reading_of

LISTED = 20  # classes in the table
OF_CLASSES = {"iou_of": "IoU", "ap50_of": "AP50"}  # metrics with a value for each class


def evaluate(args: EvaluateArguments) -> Result:
    """Print the task's metrics of a run on labelled data, and which errors it makes."""
    check_metrics(args.metric)
    model = load_run(args.run, trust=args.trust, device=args.device)
    columns = label_columns(args, model)
    classes = model.task.classes if isinstance(model.task, DenseTask) else ()
    how = reading_of(model, skip_bad=args.skip_bad)
    data = load(args.on, columns, **how, format=args.format, classes=classes)
    model.inputs_of(data, str(args.on))
    check_units_of(model.task, data, f"--on {args.on}")
    groups = groups_of(args.run, model, args.group, (args.on, data))
    metrics, details = scored(model, data, groups, args.metric)
    for name, value in metrics.items():
        if name in OF_CLASSES:
            show_of_classes(OF_CLASSES[name], value)
        else:
            print_result(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {json.dumps(value)}")
    if "per_class" in details:
        show_classes(details)
    else:
        for name, value in details.items():
            print_result(f"{name}: {value:.2f} (of the diagonal of the image)")
    print_result(f"{count_of(data)} {'images' if len(data.shape) == 3 else 'samples'}")
    return {**metrics, "count": count_of(data), **details}


def scored(
    model: Model | OnnxModel, data: Labelled, groups: Sequence[str] | None, more: Sequence[str] = ()
) -> tuple[Result, Result]:
    """The metrics of the task and those named in `more`, and its details; with `groups` each sample is corrected."""
    values = model.predict(data.unlabelled(), groups=groups).values
    labels = model.task.align(data)
    sizes = data.sizes
    if sizes is None and len(data.shape) == 3:
        sizes = torch.tensor(data.shape[1:]).expand(len(data), 2)
    metrics = model.task.metrics(values, labels)
    metrics |= more_metrics(more, metrics, values, labels, model.task)
    return metrics, model.task.details(values, labels, sizes)


def show_of_classes(metric: str, values: dict[str, float | None]) -> None:
    """Print a metric of each class, or the lowest ones."""
    rows = (
        sorted(values.items(), key=lambda row: (row[1] is None, row[1])) if len(values) > LISTED else [*values.items()]
    )
    title = f"the {LISTED} classes with the lowest {metric}, of {len(rows)}" if len(rows) > LISTED else None
    table = Table("class", metric, title=title)
    for name, one in rows[:LISTED]:
        table.add_row(name, share(math.nan if one is None else one))
    print_result(table)


def show_classes(details: dict[str, Any]) -> None:
    """Print precision and recall of each class, and the confusion matrix or the most frequent errors."""
    rows = list(details["per_class"].items())
    title = None
    if len(rows) > LISTED:
        rows = sorted(rows, key=lambda row: (math.isnan(row[1]["recall"]), row[1]["recall"]))[:LISTED]
        title = f"the {LISTED} classes with the lowest recall, of {len(details['per_class'])}"
    table = Table("class", "precision", "recall", "count", title=title)
    for name, one in rows:
        table.add_row(name, share(one["precision"]), share(one["recall"]), str(one["count"]))
    print_result(table)
    if details["confusion"] is None:
        print_result("most confused: " + ", ".join(map(confused, details["most_confused"])))
        return
    for line in matrix(list(details["per_class"]), details["confusion"]):
        print_result(line)


def matrix(names: list[str], counts: list[list[int]]) -> list[str]:
    """The confusion matrix as lines of text. Columns have numbers if the names are too long."""
    rows, columns = names, names
    if max(map(len, names)) * (len(names) + 1) > WIDTH:
        columns = [f"({i + 1})" for i in range(len(names))]
        rows = [f"{name} {column}" for name, column in zip(names, columns, strict=True)]
    cells = [columns, *([str(count) for count in row] for row in counts)]
    width, margin = max(len(cell) for row in cells for cell in row), max(map(len, rows))
    lines = [
        " ".join([name.rjust(margin), *(cell.rjust(width) for cell in row)])
        for name, row in zip(["", *rows], cells, strict=True)
    ]
    return ["confusion: one row for each true class, one column for each predicted class", *lines]


def share(value: float) -> str:
    """A share in 0..1; `-` if it is not known."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def confused(error: dict[str, Any]) -> str:
    """`cat as dog 12`."""
    return f"{error['true']} as {error['predicted']} {error['count']}"


def label_columns(args: EvaluateArguments, model: Model | OnnxModel) -> str | tuple[str, ...] | None:
    """The columns of --label, or those of the training."""
    if isinstance(model.task, Classification):
        return args.label[0] if args.label else trained_label(args.run, model, args.on)
    if isinstance(model.task, DenseTask):
        return pictured(model.task.kind, args.label or settings_of(args.run, model).get("label") or ())
    known: tuple[str, ...] = model.task.columns  # type: ignore[attr-defined]
    columns = args.label or known
    if len(columns) != len(known):
        raise InputError(
            f"--label: found {len(columns)} ({', '.join(columns)}), expected {len(known)}, in the order of the "
            f"run's own: {', '.join(known)}"
        )
    return columns


def settings_of(run: Path, model: Model | OnnxModel) -> Result:
    """What is known of the training of a run, or of an exported one."""
    return model.facts if isinstance(model, OnnxModel) else read_settings(run)


def trained_label(run: Path, model: Model | OnnxModel, on: Path) -> str | None:
    """The label column that the run was trained with; None where there was none, or `on` has its classes as folders."""
    label = settings_of(run, model).get("label")
    return label[0] if label and has_columns(on) else None
