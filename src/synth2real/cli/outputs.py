"""What commands write: checks before a file is written, and the results of a comparison as run folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..comparison import Comparison
from ..data.domains import Labelled
from ..deploy import OnnxModel
from ..errors import InputError
from ..route.run_folder import RunFolder
from ..route.silent_folder import SilentFolder
from ..select.validators import most_frequent
from ..simulate import Simulator
from ..storage import keep_record, read_record
from ..tasks import Classification
from ..training.correction import Correction
from ..training.model import Model, Predictions
from . import processes
from .console import console
from .provenance import keep_provenance, say_changed

MOSTLY, FEWEST = 0.98, 10  # share of one class among the predictions, and predictions, from which a warning is given


def one_class(model: Model | OnnxModel, predictions: Predictions) -> list[str]:
    """A warning if nearly all predictions are one class; else nothing. A target of one class is legitimate."""
    task, count = predictions.task, len(predictions.values)
    if not isinstance(task, Classification) or count < FEWEST:
        return []
    index, most = most_frequent(predictions.values)
    if most < MOSTLY * count:
        return []
    name, what = task.classes[index], "images" if len(model.shape) == 3 else "samples"
    return [f"{most} of {count} {what} are '{name}'. If they hold other classes, too, do not use the model"]


def check_new_file(out: Path, kind: str, suffixes: tuple[str, ...], replace: bool) -> None:
    """Raise `InputError` where `out` is not the name of a file of this kind, or exists and is not to be replaced."""
    if suffixes and out.suffix.lower() not in suffixes:
        raise InputError(
            f"--out {out}: expected the name of {kind} file, such as {out.with_name(out.stem + suffixes[0])}"
        )
    if out.exists() and not replace:
        raise InputError(f"{out}: the file exists, expected a new file. Choose another --out, or pass --overwrite")


def check_overwrite_or_resume(overwrite: bool, resume: bool) -> None:
    """Raise `InputError` where both were asked for."""
    if overwrite and resume:
        raise InputError("--overwrite and --resume exclude each other: found both, expected one")


def run_folder(
    command: str, args: Any, settings: dict[str, Any], source: Labelled | Simulator | None = None
) -> RunFolder:
    """The run folder of a command, with the options that repeat the command, and what it is made from.

    With --dry-run it is only checked. `source` is that of the options, if there is one. Of several processes that run
    the command together, the first one alone writes it.
    """
    if not processes.first():
        return SilentFolder(args.out, settings)
    resumable = hasattr(args, "resume")
    resume = resumable and args.resume
    folder = RunFolder(
        args.out, settings, overwrite=args.overwrite, resume=resume, resumable=resumable, begin=not args.dry_run
    )
    if not args.dry_run:
        before = read_record(args.out) if resume else None
        say_changed(args.out, before, keep_provenance(command, args, args.out, source))
    return folder


def say(folder: RunFolder, line: str) -> None:
    """Print a line and add it to the log of a run."""
    folder.log(line)
    console.print(line, soft_wrap=True)


def write_chosen(
    comparison: Comparison, path: Path, settings: dict[str, Any], correction: Correction | None = None
) -> None:
    """Write the chosen route's first run, corrected by the few labels if there are any, ready for `predict`."""
    folder = RunFolder(path, settings, overwrite=True)
    run = comparison.chosen.trials[0].run
    for stage, rows in run.history.items():
        for row in rows:
            folder.report(stage, int(row["step"]), 0, {name: value for name, value in row.items() if name != "step"})
    folder.log(f"chosen without real labels among {', '.join(one.name for one in comparison.candidates)}")
    folder.keep(run)
    if correction is not None:
        folder.corrected(correction)
    folder.finish(run.model if correction is None else correction.model)
    keep_parents(path, path.parent)


def keep_parents(part: Path, whole: Path) -> None:
    """Write into a part of an output what the whole was made from."""
    record = read_record(whole)
    if record is not None:
        keep_record(part, replace(record, out=str(part.absolute())))


def write_aggregates(comparison: Comparison, path: Path, settings: dict[str, Any]) -> None:
    """Write each aggregate to a folder of its name below `path`, ready for `predict` and `evaluate`."""
    for one in comparison.aggregates:
        folder = RunFolder(path / one.name, {**settings, "members": list(one.members)}, overwrite=True)
        folder.log(f"{one.name} of {', '.join(one.members)}; an aggregate is never chosen, see docs/validators.md")
        folder.finish(one.model)
        keep_parents(path / one.name, path.parent)
