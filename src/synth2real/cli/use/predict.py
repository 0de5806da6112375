"""`synth2real predict`: predictions for images as CSV."""

from __future__ import annotations

import csv
import re
import warnings

from ...errors import InputError
from ...storage import make_folder, whole
from ...tasks import Classification
from ...training.model import Predictions
from ...training.saved_model import load_model
from ..arguments import PredictArguments
from ..console import warnings_on_stderr
from ..outputs import check_new_file, one_class

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # first characters of a cell that spreadsheets run
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


def predict(args: PredictArguments) -> None:
    """Write one row per image to a CSV file."""
    out = args.out
    if out.is_dir():
        raise InputError(f"{out}: found a folder, expected the name of a CSV file, such as {out / 'predictions.csv'}")
    check_new_file(out, "a CSV", (), args.overwrite)
    model = load_model(args.run, trust=args.trust)
    if args.probabilities and not isinstance(model.task, Classification):
        raise InputError(
            f"--probabilities: the run predicts values ({model.task.kind}), expected a run that classifies"
        )
    with warnings_on_stderr():
        predictions = model.predict(args.images, skip_bad=args.skip_bad)
        for line in one_class(model, predictions):
            warnings.warn(line, stacklevel=1)
    make_folder(out.parent)
    with whole(out) as partial, partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file).writerows(rows(predictions, args.probabilities))


def rows(predictions: Predictions, probabilities: bool) -> list[list[str]]:
    """The table, header first: file name, then label and confidence (and probabilities), or the label columns."""
    task, values = predictions.task, predictions.values
    if not isinstance(task, Classification):
        header = ["file_name", *task.columns]  # type: ignore[attr-defined]
        body = [[str(value) for value in row] for row in values.numpy()]  # the shortest text that reads back the same
    else:
        header = ["file_name", "label", "confidence", *(f"p_{name}" for name in task.classes if probabilities)]
        body = [
            [label, f"{max(row):.6f}", *(f"{p:.6f}" for p in row if probabilities)]
            for label, row in zip(predictions.labels, values.tolist(), strict=True)
        ]
    table = [header, *([name, *row] for name, row in zip(predictions.names, body, strict=True))]
    return [[harmless(cell) for cell in row] for row in table]


def harmless(cell: str) -> str:
    """A text that a spreadsheet would run as a formula gets a leading `'`; numbers and other texts stay."""
    return f"'{cell}" if cell.startswith(FORMULA) and not NUMBER.fullmatch(cell) else cell
