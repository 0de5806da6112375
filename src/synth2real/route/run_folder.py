"""Run folders: all files that a training writes, including all that prediction needs.

model.safetensors, model.yaml   the model
settings.yaml                   route, data, budget, hardware, versions
config.yaml                     the options of the command that wrote it; `--config` repeats it
metrics.jsonl                   one line per report: stage, step, losses
log.txt                         printed lines
refiner/                        the refiner, if the route refines
displacement.json               how far the refiner moved the labels, if it left images out for it
parameters.yaml                 the ranges after calibration or widening, to render with
few_labels.json                 what a few real labels bought; absent without them
notes.txt                       what the user must know about the training, one sentence a line; absent without notes
diverged.txt                    why the training stopped, if it diverged; such a run is not finished
checkpoint.safetensors          state to resume from; removed when the training has ended
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..adapt import Objective
from ..data.domains import Labelled, Unlabelled
from ..data.few_labels import FewLabels
from ..data.reading.pixels import Conversion
from ..data.sparse import Layout
from ..errors import InputError, TrainingDiverged, WriteError
from ..settings import read_yaml
from ..simulate import Simulator, save_parameters
from ..storage import append_line, check_writable, emptied, is_empty, make_folder, write_tensors, write_text
from ..tasks.base import Task
from ..training.correction import Correction, correct, fine_tuned
from ..training.hardware import versions
from ..training.loop import Loop, Trainer
from ..training.mapping import REFINER, Mapping
from ..training.model import DESCRIPTION, Model
from ..training.saved_model import DIVERGED
from ..training.saved_model import SETTINGS as SETTINGS
from .earlier_versions import difference, migrated_route, with_routes
from .recorder import both
from .rejection import keep_displacement
from .route import OnReport, OnStep, OnTrainer, Route
from .run import Budget, Run

METRICS, LOG, CHECKPOINT = "metrics.jsonl", "log.txt", "checkpoint.safetensors"
PARAMETERS, NOTES, FEW_LABELS = "parameters.yaml", "notes.txt", "few_labels.json"
CHECKPOINT_EVERY = 200  # steps


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of a run, under present names; empty if the folder has no settings file, only a model.

    Raises:
        InputError: the file is not YAML, or has no settings.
    """
    file = folder / SETTINGS
    if not file.is_file():
        return {}
    settings = read_yaml(file, "the settings of a run. Train again with --overwrite")
    if "size" in settings:
        settings.setdefault("resize", "stretch")  # former runs do not say it
    return with_routes(migrated_route, settings)


class RunFolder:
    """A run folder that is being written.

    Args:
        path: to create.
        settings: of the run, plain data; written to `settings.yaml`.
        overwrite: if the folder has a run, remove it first.
        resume: continue the run in the folder.
        resumable: whether the command has --resume; the message about a folder in use depends on it.
        begin: write. Without it the folder is only checked.

    Raises:
        InputError: the folder is not empty without `overwrite` or `resume`; it is not empty and has no run to
            overwrite; it has no unfinished run to resume; or that run has other settings.
        WriteError: the folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        settings: dict[str, Any],
        *,
        overwrite: bool = False,
        resume: bool = False,
        resumable: bool = True,
        begin: bool = True,
    ) -> None:
        self.path, self.settings = path, settings
        if resume:
            self._check_resume()
        elif path.exists() and (not path.is_dir() or not is_empty(path)):
            if not overwrite:
                raise InputError(self._in_use(resumable))
            if not (path / SETTINGS).is_file():
                raise InputError(
                    f"{path}: --overwrite found no {SETTINGS}, so this is not a run folder. Choose another --out, "
                    "or delete the folder"
                )
            if begin:
                emptied(path)
        if not begin:
            check_writable(path)
            return
        make_folder(path)
        try:
            write_text(path / SETTINGS, yaml.safe_dump({**settings, "versions": versions()}, sort_keys=False))
        except WriteError:
            if not resume and is_empty(path):
                path.rmdir()
            raise

    def _in_use(self, resumable: bool) -> str:
        """The error message for a path that is not empty. It offers only options that work for this folder."""
        found = "the folder is not empty" if self.path.is_dir() else "this is a file"
        mend = "Choose another --out"
        if (self.path / SETTINGS).is_file():
            mend += ", or pass --overwrite to replace the run in it"
            mend += ", or pass --resume to continue that run" if resumable else ""
        return f"{self.path}: {found}, expected a new or empty folder. {mend}"

    def _check_resume(self) -> None:
        if not (self.path / SETTINGS).is_file():
            raise InputError(f"{self.path}: found no {SETTINGS}, so there is no run to --resume. Leave --resume out")
        if (self.path / DIVERGED).is_file():
            raise InputError(
                f"{self.path}: this training has diverged, and would diverge again. Train with other settings and "
                "--overwrite"
            )
        if self.finished:
            raise InputError(f"{self.path}: this run has already finished. Use it, or train again with --overwrite")
        found = difference(read_settings(self.path), yaml.safe_load(yaml.safe_dump(self.settings)))
        if found is not None:
            name, before, value = found
            raise InputError(
                f"{self.path}: the run was started with {name} {before}, but --resume found {value}. "
                "Give the same arguments, or choose another --out"
            )

    @property
    def finished(self) -> bool:
        """Whether the folder has a model and no checkpoint to resume from."""
        return (self.path / DESCRIPTION).is_file() and not (self.path / CHECKPOINT).is_file()

    @property
    def kept(self) -> int:
        """Step of the checkpoint; 0 if there is none."""
        state = self._state()
        return 0 if state is None else int(state["step"])

    def _state(self) -> dict[str, Tensor] | None:
        """The checkpoint; None if there is none."""
        file = self.path / CHECKPOINT
        try:
            return load_file(file) if file.is_file() else None
        except SafetensorError as error:
            raise damaged(file, error) from None

    def log(self, line: str) -> None:
        """Add a line to the log."""
        append_line(self.path / LOG, line)

    def report(self, stage: str, step: int, _: int, terms: dict[str, float]) -> None:
        """Add a line to the metrics."""
        append_line(self.path / METRICS, json.dumps({"stage": stage, "step": step, **terms}))

    def checkpoint(self, trainer: Trainer) -> None:
        """Write the trainer's state every `CHECKPOINT_EVERY` steps."""
        if trainer.step % CHECKPOINT_EVERY == 0:
            write_tensors(self.path / CHECKPOINT, trainer.state())

    def restore(self, trainer: Trainer) -> None:
        """Restore a trainer from the checkpoint, and drop the metrics of later steps, which are computed again."""
        state = self._state()
        if state is not None:
            try:
                trainer.restore(state)
            except (KeyError, ValueError, RuntimeError, TypeError) as error:
                raise damaged(self.path / CHECKPOINT, error) from None
        kept = {
            (row["stage"], row["step"]): row
            for row in read_metrics(self.path)
            if row["stage"] != "train" or row["step"] <= trainer.step
        }
        if kept or (self.path / METRICS).is_file():
            write_text(self.path / METRICS, "".join(json.dumps(row) + "\n" for row in kept.values()))

    def keep(self, run: Run) -> None:
        """Write the results of a run other than the model: notes, refiner, displacement, ranges of the simulator."""
        if run.notes:
            write_text(self.path / NOTES, "".join(f"{note}\n" for note in run.notes))
        if run.refiner is not None:
            self.keep_refiner(run.refiner)
        if run.displacement is not None:
            keep_displacement(self.path, run.displacement)
        if run.simulator is not None:
            save_parameters(run.simulator.ranges, self.path / PARAMETERS, run.simulator.correlations)

    def keep_refiner(self, refiner: Mapping) -> None:
        """Write the refiner of a run."""
        refiner.save(self.path / REFINER)

    def corrected(self, correction: Correction) -> None:
        """Write what a few labels bought."""
        write_text(self.path / FEW_LABELS, json.dumps(correction.plain(), indent=2) + "\n")

    def finish(self, model: Model) -> None:
        """Write the model and remove the checkpoint."""
        model.save(self.path)
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    def diverged(self, error: TrainingDiverged) -> None:
        """Say in the folder that the training has diverged, so that nobody takes its model for a finished one."""
        write_text(self.path / DIVERGED, f"{error}\n")


def read_few_labels(folder: Path) -> dict[str, Any] | None:
    """What a few labels bought for a run, as `Correction.plain` gives it; None without few labels.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / FEW_LABELS
    if not file.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if not {field.name for field in fields(Correction)} - {"model"} <= found.keys():
            raise ValueError("figures are missing")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{file}: is damaged ({error}), expected the figures of few labels. Delete the file") from None
    return found


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The rows of the metrics of a run; none if it has written none. A torn last line is left out.

    Raises:
        InputError: another line is damaged.
    """
    file = folder / METRICS
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1] if file.is_file() else []
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            rows.append({**row, "stage": str(row["stage"]), "step": int(row["step"])})
        except (ValueError, TypeError, KeyError):
            raise InputError(
                f"{file}: line {number} is damaged, expected a stage, a step and losses. Delete the line or the file"
            ) from None
    return rows


def damaged(file: Path, error: Exception) -> InputError:
    """The error for a checkpoint that cannot be used."""
    why = " ".join(str(error).split())
    return InputError(
        f"{file}: is damaged or of another training ({why}), expected a checkpoint. Delete it: the same command with "
        "--resume then begins anew"
    )


@dataclass(frozen=True)
class Few:
    """A few real labels, and what a run does with them when its route has ended.

    Args:
        labels: the few labels.
        target_groups: group of each target sample, see `correct`.
        fine_tune: steps to train on with the labels beside the source, instead of a correction; 0 for none.
    """

    labels: FewLabels
    target_groups: Sequence[str] | None = None
    fine_tune: int = 0


def train(
    folder: RunFolder,
    route: Route,
    source: Labelled | Simulator,
    target: Unlabelled,
    *,
    task: Task,
    budget: Budget,
    conversion: Conversion | None = None,
    layout: Layout | None = None,
    resume: bool = False,
    few: Few | None = None,
    on_report: OnReport | None = None,
    on_step: OnStep | None = None,
    on_checkpoint: OnTrainer | None = None,
) -> Run:
    """Run a route and write the run to a folder, with checkpoints.

    Args:
        folder: to write to.
        route, source, target, task, budget, on_report, on_step: as in `Route.run`; reports also go to the metrics file.
        conversion, layout: how images and svmlight files were read; stored, so that prediction reads them alike.
        resume: continue from the folder's checkpoint.
        few: labels that correct the trained model; the training of the route does not see them.
        on_checkpoint: called with the trainer after every report.

    Raises:
        TrainingDiverged: the folder says so. The last good weights are in it, if there are any.
    """
    watch = _Watch(folder, resume, on_checkpoint)
    try:
        run = route.run(
            source,
            target,
            task=task,
            budget=budget,
            on_report=both(folder.report, on_report),
            on_step=on_step,
            on_trainer=watch.begin,
            on_refiner=watch.refiners.append,
            checkpoint=watch.checkpoint,
        )
    except TrainingDiverged as error:
        watch.stopped(error, conversion, layout)
        raise
    folder.keep(run)
    run = run if few is None else _corrected(folder, run, route, target, few, budget)
    _finish(folder, run.model, conversion, layout)
    return run


def _corrected(folder: RunFolder, run: Run, route: Route, target: Unlabelled, few: Few, budget: Budget) -> Run:
    """The run with a model that the few labels have corrected or fine-tuned; the folder says what they bought."""
    if few.fine_tune:
        randomize = None if route.randomize is None else route.randomize.settled(run.model.task)
        loop = Loop(few.fine_tune, budget.size_of_batch(run.model.task), budget.seed, budget.hardware, randomize)
        correction = fine_tuned(run.model, few.labels, run.trained_on, target, loop)
    else:
        correction = correct(run.model, few.labels, target, target_groups=few.target_groups)
    folder.corrected(correction)
    return replace(run, model=correction.model, correction=correction)


class _Watch:
    """Keeps the trainers and refiners of a run, and writes or restores the checkpoints of its folder."""

    def __init__(self, folder: RunFolder, resume: bool, on_checkpoint: OnTrainer | None) -> None:
        self.folder, self.resume, self.on_checkpoint = folder, resume, on_checkpoint
        self.trainers: list[Trainer] = []
        self.refiners: list[Mapping] = []

    def begin(self, trainer: Trainer) -> None:
        self.trainers.append(trainer)
        if self.resume:
            self.folder.restore(trainer)

    def stopped(self, error: TrainingDiverged, conversion: Conversion | None, layout: Layout | None) -> None:
        """Say in the folder that the training has diverged, and write the last good weights."""
        self.folder.diverged(error)
        last = self.last_good(error)
        if last is not None:
            _finish(self.folder, last, conversion, layout)

    def last_good(self, error: TrainingDiverged) -> Model | None:
        """The model before the step that diverged, if there is one. The refiner is written."""
        if self.refiners:
            self.folder.keep_refiner(self.refiners[0])
        algorithm = self.trainers[0].algorithm if self.trainers else None
        return algorithm.ready() if isinstance(algorithm, Objective) and not error.taken else None

    def checkpoint(self, trainer: Trainer) -> None:
        self.folder.checkpoint(trainer)
        if self.on_checkpoint is not None:
            self.on_checkpoint(trainer)


def _finish(folder: RunFolder, model: Model, conversion: Conversion | None, layout: Layout | None) -> None:
    """Write the model, together with the way in which its data was loaded."""
    model.conversion, model.layout = conversion or Conversion(), layout
    folder.finish(model)
