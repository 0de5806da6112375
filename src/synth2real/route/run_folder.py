"""Run folders: all files that a training writes, including all that prediction needs.

model.safetensors, model.yaml   the model
settings.yaml                   route, data, budget, hardware, versions
metrics.jsonl                   one line per report: stage, step, losses
log.txt                         printed lines
refiner/                        the refiner, if the route refines
parameters.yaml                 the ranges after calibration or widening, to render with
notes.txt                       what the user must know about the training, one sentence a line; absent without notes
checkpoint.safetensors          state to resume from; removed when the training has ended
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import load_file, save_file

from ..adapt import Objective
from ..data.domains import Labelled, Unlabelled
from ..data.pixels import Conversion
from ..data.sparse import Layout
from ..errors import InputError, TrainingDiverged
from ..settings import read_yaml
from ..simulate import Simulator, save_parameters
from ..tasks.base import Task
from ..training.hardware import versions
from ..training.loop import Trainer
from ..training.mapping import REFINER, Mapping
from ..training.model import DESCRIPTION, Model
from .route import Budget, OnReport, OnStep, OnTrainer, Route, Run, migrated_route

SETTINGS, METRICS, LOG, CHECKPOINT = "settings.yaml", "metrics.jsonl", "log.txt", "checkpoint.safetensors"
PARAMETERS, NOTES = "parameters.yaml", "notes.txt"
CHECKPOINT_EVERY = 200  # steps


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of a run, under present names; empty if the folder has no settings file, only a model.

    Raises:
        InputError: the file is not YAML, or has no settings.
    """
    file = folder / SETTINGS
    if not file.is_file():
        return {}
    settings = read_yaml(file, "the settings of a run. Train again")
    if "route" in settings:
        settings["route"] = migrated_route(settings["route"])
    if isinstance(settings.get("routes"), dict):
        settings["routes"] = {name: migrated_route(route) for name, route in settings["routes"].items()}
    return settings


class RunFolder:
    """A run folder that is being written.

    Args:
        path: to create.
        settings: of the run, plain data; written to `settings.yaml`.
        overwrite: if the folder has a run, remove it first.
        resume: continue the run in the folder.
        resumable: whether the command has --resume; the message about a folder in use depends on it.
        metrics: also create the file of metrics.

    Raises:
        InputError: the folder is not empty without `overwrite` or `resume`; it is not empty and has no run to
            overwrite; it has no unfinished run to resume; or that run has other settings.
    """

    def __init__(
        self,
        path: Path,
        settings: dict[str, Any],
        *,
        overwrite: bool = False,
        resume: bool = False,
        resumable: bool = True,
        metrics: bool = True,
    ) -> None:
        self.path, self.settings = path, settings
        if resume:
            self._check_resume()
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            if not overwrite:
                raise InputError(self._in_use(resumable))
            if not (path / SETTINGS).is_file():
                raise InputError(
                    f"{path}: --overwrite found no {SETTINGS}, so this is not a run folder. Choose another --out, "
                    "or delete the folder"
                )
            shutil.rmtree(path)
        path.mkdir(parents=True, exist_ok=True)
        self._write(SETTINGS, yaml.safe_dump({**settings, "versions": versions()}, sort_keys=False))
        if metrics and not resume:
            (path / METRICS).touch()

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
        if self.finished:
            raise InputError(f"{self.path}: this run has already finished. Use it, or train again with --overwrite")
        before = read_settings(self.path)
        for key, value in yaml.safe_load(yaml.safe_dump(self.settings)).items():
            if before.get(key) != value:
                raise InputError(
                    f"{self.path}: the run was started with {key} {before.get(key)}, but --resume found {value}. "
                    "Give the same arguments, or choose another --out"
                )

    @property
    def finished(self) -> bool:
        """Whether the folder has a model and no checkpoint to resume from."""
        return (self.path / DESCRIPTION).is_file() and not (self.path / CHECKPOINT).is_file()

    @property
    def kept(self) -> int:
        """Step of the checkpoint; 0 if there is none."""
        return int(load_file(self.path / CHECKPOINT)["step"]) if (self.path / CHECKPOINT).is_file() else 0

    def _write(self, name: str, text: str) -> None:
        partial = self.path / f".{name}.partial"
        partial.write_text(text)
        partial.replace(self.path / name)

    def log(self, line: str) -> None:
        """Add a line to the log."""
        with (self.path / LOG).open("a") as log:
            log.write(line + "\n")

    def report(self, stage: str, step: int, _: int, terms: dict[str, float]) -> None:
        """Add a line to the metrics."""
        with (self.path / METRICS).open("a") as lines:
            lines.write(json.dumps({"stage": stage, "step": step, **terms}) + "\n")

    def checkpoint(self, trainer: Trainer) -> None:
        """Write the trainer's state every `CHECKPOINT_EVERY` steps."""
        if trainer.step % CHECKPOINT_EVERY == 0:
            partial = self.path / f".{CHECKPOINT}.partial"
            save_file(trainer.state(), partial)
            partial.replace(self.path / CHECKPOINT)

    def restore(self, trainer: Trainer) -> None:
        """Restore a trainer from the checkpoint, and drop the metrics of later steps, which are computed again."""
        if (self.path / CHECKPOINT).is_file():
            trainer.restore(load_file(self.path / CHECKPOINT))
        rows = [json.loads(line) for line in (self.path / METRICS).read_text().splitlines()]
        kept = {
            (row["stage"], row["step"]): row for row in rows if row["stage"] != "train" or row["step"] <= trainer.step
        }
        self._write(METRICS, "".join(json.dumps(row) + "\n" for row in kept.values()))

    def keep(self, run: Run) -> None:
        """Write the results of a run other than the model: its notes, the refiner and the ranges of the simulator."""
        if run.notes:
            self._write(NOTES, "".join(f"{note}\n" for note in run.notes))
        if run.refiner is not None:
            run.refiner.save(self.path / REFINER)
        if run.simulator is not None:
            save_parameters(run.simulator.ranges, self.path / PARAMETERS)

    def finish(self, model: Model) -> None:
        """Write the model and remove the checkpoint."""
        model.save(self.path)
        (self.path / CHECKPOINT).unlink(missing_ok=True)


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
        on_checkpoint: called with the trainer after every report.

    Raises:
        TrainingDiverged: the last good weights are in the folder.
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
    except TrainingDiverged:
        if watch.refiners:
            watch.refiners[0].save(folder.path / REFINER)
        if watch.trainers and isinstance(watch.trainers[0].algorithm, Objective):
            _finish(folder, watch.trainers[0].algorithm.ready(), conversion, layout)
        raise
    folder.keep(run)
    _finish(folder, run.model, conversion, layout)
    return run


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

    def checkpoint(self, trainer: Trainer) -> None:
        self.folder.checkpoint(trainer)
        if self.on_checkpoint is not None:
            self.on_checkpoint(trainer)


def _finish(folder: RunFolder, model: Model, conversion: Conversion | None, layout: Layout | None) -> None:
    """Write the model, together with the way in which its data was loaded."""
    model.conversion, model.layout = conversion or Conversion(), layout
    folder.finish(model)


def both(first: OnReport, second: OnReport | None) -> OnReport:
    """A report callback that calls each of the two."""

    def report(stage: str, step: int, steps: int, terms: dict[str, float]) -> None:
        for each in (first, second):
            if each is not None:
                each(stage, step, steps, terms)

    return report
