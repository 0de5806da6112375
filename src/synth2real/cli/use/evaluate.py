"""`synth2real evaluate`: a trained model on labelled real data."""

from __future__ import annotations

import json
from pathlib import Path

from ...data.loading import load, metadata_tables
from ...errors import InputError
from ...route.run_folder import read_settings
from ...tasks import Classification
from ...training.model import Model
from ...training.saved_model import load_model
from ..arguments import EvaluateArguments
from ..console import warnings_on_stderr


def evaluate(args: EvaluateArguments) -> None:
    """Print the task's metrics of a run on labelled data."""
    model = load_model(args.run, trust=args.trust)
    columns = label_columns(args, model)
    with warnings_on_stderr():
        data = load(
            args.on,
            columns,
            size=model.resize,
            channels=model.channels,
            skip_bad=args.skip_bad,
            layout=model.layout,
        )
    model.check(data.inputs, str(args.on))
    metrics = model.evaluate(data)
    if args.as_json:
        print(json.dumps(metrics))
        return
    for name, value in metrics.items():
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {json.dumps(value)}")


def label_columns(args: EvaluateArguments, model: Model) -> str | tuple[str, ...] | None:
    """The columns of --label, or those of the training."""
    if isinstance(model.task, Classification):
        return args.label[0] if args.label else trained_label(args.run, args.on)
    known: tuple[str, ...] = model.task.columns  # type: ignore[attr-defined]
    columns = args.label or known
    if len(columns) != len(known):
        raise InputError(
            f"--label: found {len(columns)} ({', '.join(columns)}), expected {len(known)}, in the order of the "
            f"run's own: {', '.join(known)}"
        )
    return columns


def trained_label(run: Path, on: Path) -> str | None:
    """The label column that the run was trained with; None where there was none, or `on` has its classes as folders."""
    label = read_settings(run).get("label")
    return label[0] if label and (on.is_file() or metadata_tables(on)) else None
