"""Run folders: everything that a training leaves on disk, and all that prediction needs.

model.safetensors, model.yaml   the model
settings.yaml                   route, data, budget, hardware, versions
metrics.jsonl                   one line a report: stage, step, losses
log.txt                         what was printed
refiner/                        the refiner, where the route refines
parameters.yaml                 the ranges that a calibration or widening found, to render with
checkpoint.safetensors          to resume from, until the training has ended
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
from ..data.loading import Channels, Size
from ..data.sparse import Layout
from ..errors import InputError, TrainingDiverged
from ..simulate import Simulator, save_parameters
from ..tasks.base import Task
from ..training.hardware import versions
from ..training.loop import Trainer
from ..training.mapping import REFINER, Mapping
from ..training.model import DESCRIPTION, Model
from .route import Budget, OnReport, OnTrainer, Route, Run, migrated_route

SETTINGS, METRICS, LOG, CHECKPOINT = "settings.yaml", "metrics.jsonl", "log.txt", "checkpoint.safetensors"
PARAMETERS = "parameters.yaml"
CHECKPOINT_EVERY = 200  # steps


def read_settings(folder: Path) -> dict[str, Any]:
    """What a run was made by, under present names; empty where the folder holds a model alone.

    Raises:
        InputError: the file is no YAML of settings.
    """
    file = folder / SETTINGS
    if not file.is_file():
        return {}
    try:
        settings = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise InputError(f"{file}: is no YAML ({error}), expected the settings of a run. Train again") from None
    if not isinstance(settings, dict):
        raise InputError(f"{file}: holds {type(settings).__name__}, expected the settings of a run. Train again")
    if "route" in settings:
        settings["route"] = migrated_route(settings["route"])
    if isinstance(settings.get("routes"), dict):
        settings["routes"] = {name: migrated_route(route) for name, route in settings["routes"].items()}
    return settings


class RunFolder:
    """A run folder being written.

    Args:
        path: to create.
        settings: plain data that the run is made by; kept as `settings.yaml`.
        overwrite: empty the folder if it holds a run.
        resume: go on with the run that it holds.
        metrics: begin the file of metrics, too.

    Raises:
        InputError: the folder holds something and neither was asked for; nothing to resume, or other settings.
    """

    def __init__(
        self,
        path: Path,
        settings: dict[str, Any],
        *,
        overwrite: bool = False,
        resume: bool = False,
        metrics: bool = True,
    ) -> None:
        self.path, self.settings = path, settings
        if resume:
            self._check_resume()
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            if not overwrite:
                raise InputError(
                    f"{path}: holds files already, expected a new or empty folder. "
                    "Choose another --out, or pass --overwrite, or --resume to go on with the run that it holds"
                )
            if not (path / SETTINGS).is_file():
                raise InputError(f"{path}: --overwrite found no {SETTINGS} there, so it is no run; remove it by hand")
            shutil.rmtree(path)
        path.mkdir(parents=True, exist_ok=True)
        self._write(SETTINGS, yaml.safe_dump({**settings, "versions": versions()}, sort_keys=False))
        if metrics and not resume:
            (path / METRICS).touch()

    def _check_resume(self) -> None:
        if not (self.path / SETTINGS).is_file():
            raise InputError(f"{self.path}: found no {SETTINGS}, so there is no run to --resume. Leave --resume out")
        if self.finished:
            raise InputError(f"{self.path}: this run has ended already. Use it, or train anew with --overwrite")
        before = read_settings(self.path)
        for key, value in yaml.safe_load(yaml.safe_dump(self.settings)).items():
            if before.get(key) != value:
                raise InputError(
                    f"{self.path}: the run was begun with {key} {before.get(key)}, but --resume found {value}. "
                    "Give the same arguments, or choose another --out"
                )

    @property
    def finished(self) -> bool:
        """Whether a model has been written and no checkpoint is left to go on from."""
        return (self.path / DESCRIPTION).is_file() and not (self.path / CHECKPOINT).is_file()

    @property
    def kept(self) -> int:
        """Step of the checkpoint; 0 where there is none."""
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
        """Keep the trainer's state, now and then."""
        if trainer.step % CHECKPOINT_EVERY == 0:
            partial = self.path / f".{CHECKPOINT}.partial"
            save_file(trainer.state(), partial)
            partial.replace(self.path / CHECKPOINT)

    def restore(self, trainer: Trainer) -> None:
        """Put a trainer where the checkpoint was taken, and drop the metrics that are made anew."""
        if (self.path / CHECKPOINT).is_file():
            trainer.restore(load_file(self.path / CHECKPOINT))
        rows = [json.loads(line) for line in (self.path / METRICS).read_text().splitlines()]
        kept = {
            (row["stage"], row["step"]): row for row in rows if row["stage"] != "train" or row["step"] <= trainer.step
        }
        self._write(METRICS, "".join(json.dumps(row) + "\n" for row in kept.values()))

    def keep(self, run: Run) -> None:
        """Write what the run has made beside the model: the refiner, and the ranges found."""
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
    resize: Size | None = None,
    channels: Channels | None = None,
    layout: Layout | None = None,
    resume: bool = False,
    on_report: OnReport | None = None,
    on_checkpoint: OnTrainer | None = None,
) -> Run:
    """Run a route and keep it in a folder, with checkpoints on the way.

    Args:
        folder: to write to.
        route, source, target, task, budget: as in `Route.run`.
        resize, channels: how images were converted on load; kept, so that prediction converts alike.
        layout: how svmlight files were read; kept, so that prediction reads alike.
        resume: go on from the folder's checkpoint.
        on_report: as in `Route.run`, beside the metrics file.
        on_checkpoint: called with the trainer after every report.

    Raises:
        TrainingDiverged: the last good weights are in the folder.
    """
    trainers: list[Trainer] = []
    report = both(folder.report, on_report)
    refiners: list[Mapping] = []

    def begin(trainer: Trainer) -> None:
        trainers.append(trainer)
        if resume:
            folder.restore(trainer)

    def checkpoint(trainer: Trainer) -> None:
        folder.checkpoint(trainer)
        if on_checkpoint is not None:
            on_checkpoint(trainer)

    def keep(model: Model) -> None:
        model.resize, model.channels, model.layout = resize, channels, layout
        folder.finish(model)

    try:
        run = route.run(
            source,
            target,
            task=task,
            budget=budget,
            on_report=report,
            on_trainer=begin,
            on_refiner=refiners.append,
            checkpoint=checkpoint,
        )
    except TrainingDiverged:
        if refiners:
            refiners[0].save(folder.path / REFINER)
        if trainers and isinstance(trainers[0].algorithm, Objective):
            keep(trainers[0].algorithm.ready())
        raise
    folder.keep(run)
    keep(run.model)
    return run


def both(first: OnReport, second: OnReport | None) -> OnReport:
    """One report that is passed on to each of the two."""

    def report(stage: str, step: int, steps: int, terms: dict[str, float]) -> None:
        for each in (first, second):
            if each is not None:
                each(stage, step, steps, terms)

    return report
