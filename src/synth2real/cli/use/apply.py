"""`synth2real evaluate`, `predict` and `methods`: what is done with a trained run."""

from __future__ import annotations

import csv
import inspect
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ...adapt import SOURCE_FREE
from ...data.loading import load, metadata_tables
from ...errors import InputError
from ...route.route import STAGES
from ...route.run_folder import read_settings
from ...select.aggregate import METHODS as AGGREGATES
from ...select.estimates import METHODS as ESTIMATES
from ...select.validators import METHODS as VALIDATORS
from ...simulate import simulators
from ...tasks import Classification
from ...training.model import Predictions, load_model
from ..console import warnings_on_stderr


def evaluate(run: Path, on: Path, label: tuple[str, ...], as_json: bool, skip_bad: bool) -> None:
    """Print the task's metrics of a run on labelled data."""
    model = load_model(run)
    if isinstance(model.task, Classification):
        columns: str | tuple[str, ...] | None = label[0] if label else kept_label(run, on)
    else:
        known: tuple[str, ...] = model.task.columns  # type: ignore[attr-defined]
        columns = label or known
        if len(columns) != len(known):
            raise InputError(
                f"--label: found {len(columns)} ({', '.join(columns)}), expected {len(known)}, in the order of the "
                f"run's own: {', '.join(known)}"
            )
    with warnings_on_stderr():
        data = load(on, columns, size=model.resize, channels=model.channels, skip_bad=skip_bad, layout=model.layout)
    model.check(data.inputs, str(on))
    metrics = model.evaluate(data)
    if as_json:
        print(json.dumps(metrics))
        return
    for name, value in metrics.items():
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {json.dumps(value)}")


def kept_label(run: Path, on: Path) -> str | None:
    """The label column that the run was trained with; None where there was none, or `on` has its classes as folders."""
    kept = read_settings(run).get("label")
    return kept[0] if kept and (on.is_file() or metadata_tables(on)) else None


def predict(run: Path, images: Path, out: Path, probabilities: bool, skip_bad: bool, overwrite: bool) -> None:
    """Write one row an image to a CSV file."""
    if out.is_dir():
        raise InputError(f"{out}: found a folder, expected the name of a CSV file, such as {out / 'predictions.csv'}")
    if out.exists() and not overwrite:
        raise InputError(f"{out}: exists already, expected a new file. Choose another --out, or pass --overwrite")
    model = load_model(run)
    if probabilities and not isinstance(model.task, Classification):
        raise InputError(
            f"--probabilities: the run predicts values ({model.task.kind}), expected a run that classifies"
        )
    with warnings_on_stderr():
        predictions = model.predict(images, skip_bad=skip_bad)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows(predictions, probabilities))
    partial.replace(out)


def rows(predictions: Predictions, probabilities: bool) -> list[list[str]]:
    """The table, header first: file name, then label and confidence (and probabilities), or the label columns."""
    task, values = predictions.task, predictions.values
    if not isinstance(task, Classification):
        header = ["file_name", *task.columns]  # type: ignore[attr-defined]
        body = [[f"{value:.6g}" for value in row] for row in values.tolist()]
    else:
        header = ["file_name", "label", "confidence", *(f"p_{name}" for name in task.classes if probabilities)]
        body = [
            [label, f"{max(row):.6f}", *(f"{p:.6f}" for p in row if probabilities)]
            for label, row in zip(predictions.labels, values.tolist(), strict=True)
        ]
    return [header, *([name, *row] for name, row in zip(predictions.names, body, strict=True))]


def methods() -> None:
    """Print each room's methods with the first line of their documentation."""
    table = Table("room", "name", "what it does")
    listed = {
        **STAGES,
        "adapt (no source)": SOURCE_FREE,
        "simulate": simulators(),
        "validate": VALIDATORS,
        "aggregate": AGGREGATES,
        "estimate": ESTIMATES,
    }
    for stage, known in listed.items():
        for name, method in known.items():
            table.add_row(stage, name, (inspect.getdoc(method) or "").partition("\n")[0])
    Console().print(table)
