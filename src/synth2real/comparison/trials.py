"""Trials on disk: each finished training of a comparison in a folder of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from ..calibrate import Calibration
from ..data.domains import Labelled, Unlabelled, to_float
from ..errors import InputError, TrainingDiverged
from ..refine import load_refiner
from ..route.route import Run, migrated_route
from ..settings import migrated
from ..simulate import Simulator
from ..training.mapping import REFINER
from ..training.model import load_model
from .evaluation import Evaluation, Refined, TrainingJob, Trial, evenly

TRIAL, ARRAYS, DATA = "trial.json", "predictions.safetensors", "data.json"
MARKED = 64  # inputs of a domain that it is told from others by
PLAIN = (
    "seed",
    "seconds",
    "source_metrics",
    "test_metrics",
    "gap_after",
    "inconsistency",
    "calibrated_bnm",
    "steps",
)  # kept as JSON


class TrialStore:
    """Finished trials on disk, one folder each: it is there as a whole or not at all.

    Args:
        path: folder that holds them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def check_same_data(self, evaluation: Evaluation) -> None:
        """Mark the data that trials are made on, so that those on other data are never taken for them.

        Raises:
            InputError: there are trials on other data.
        """
        if isinstance(
            evaluation.given, Simulator
        ):  # by its settings: what it renders need not be the same to the last bit
            ranges = {p.name: evaluation.given.range(p.name) for p in evaluation.given.parameters}
            fingerprints = {
                "simulator": repr((evaluation.given, ranges)),
                "number of images to render": str(evaluation.budget.n),
            }
        else:
            fingerprints = {
                "source": fingerprint(evaluation.raw),
                "held part of the source": fingerprint(evaluation.held),
            }
        fingerprints |= {"target": fingerprint(evaluation.target), "test": fingerprint(evaluation.test)}
        file = self.path / DATA
        kept = json.loads(file.read_text()) if file.is_file() else fingerprints
        apart = [name for name, found in fingerprints.items() if kept.get(name) != found]
        apart = [name for name in apart if name != "held part of the source" or "source" not in apart]
        begun = any(one.name != DATA and not one.name.startswith(".") for one in self.path.iterdir())
        if apart and begun:
            raise InputError(
                f"{self.path}: found trainings with another {' and another '.join(apart)}, expected the same as they "
                "had. Give that, or another folder to begin in"
            )
        write_whole(file, json.dumps(fingerprints) + "\n")

    def has(self, training: TrainingJob) -> bool:
        """Whether that training has been finished, for good or ill, by these settings, and measured as we measure."""
        kept = self._kept(training)
        same = kept.get("route") == json.loads(json.dumps(training.route.describe()))
        return same and ("diverged" in kept or set(PLAIN) <= set(kept))

    def _kept(self, training: TrainingJob) -> dict[str, Any]:
        """What the folder of a training says of it, under present names; empty where there is none."""
        file = self.path / training.key / TRIAL
        kept = migrated("trial", json.loads(file.read_text())) if file.is_file() else {}
        return {**kept, "route": migrated_route(kept["route"])} if "route" in kept else kept

    def write(self, training: TrainingJob, made: Trial | TrainingDiverged) -> None:
        """Keep a trial, or how its training diverged."""
        partial, whole = self.path / f".{training.key}.partial", self.path / training.key
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if isinstance(made, TrainingDiverged):
            kept: dict[str, Any] = {"diverged": [made.step, made.term, made.value]}
        else:
            made.run.model.save(partial)
            if made.run.refiner is not None:
                made.run.refiner.save(partial / REFINER)
            save_file({"target": made.target.contiguous(), "held": made.held.contiguous()}, partial / ARRAYS)
            kept = {name: getattr(made, name) for name in PLAIN}
            kept |= {"history": made.run.history, "stages": made.run.seconds}
        kept["route"] = training.route.describe()
        (partial / TRIAL).write_text(json.dumps({"name": training.name, **kept}) + "\n")
        shutil.rmtree(whole, ignore_errors=True)  # of another version
        partial.replace(whole)

    def read(self, training: TrainingJob, evaluation: Evaluation) -> Trial | TrainingDiverged:
        """The counterpart of `write`; images are rendered and refined again when asked for."""
        folder = self.path / training.key
        kept = self._kept(training)
        if "diverged" in kept:
            return TrainingDiverged(*kept["diverged"])
        arrays = load_file(folder / ARRAYS)
        rendered, _ = evaluation.rendered(training.simulator, training.seed)
        refiner = load_refiner(folder) if (folder / REFINER).is_dir() else None
        run = Run(
            model=load_model(folder),
            history=kept["history"],
            seconds=kept["stages"],
            rendered=rendered,
            refined=None if refiner is None else Refined(refiner, rendered.inputs),
            calibration=training.calibration,
            refiner=refiner,
            simulator=evaluation.changed(training.simulator),
        )
        plain = {name: kept[name] for name in PLAIN}
        return Trial(run=run, target=arrays["target"], held=arrays["held"], **plain)

    def search(self, key: str, simulator: Simulator) -> tuple[Simulator, Calibration | None, float] | None:
        """A simulator that was calibrated or widened before, as `keep_search` wrote it; None where there is none."""
        file = self.path / f"{key}.json"
        if not file.is_file():
            return None
        kept = json.loads(file.read_text())
        calibration = None
        if kept["calibration"] is not None:
            plain = kept["calibration"]
            before, ranges = ({n: (r[0], r[1]) for n, r in plain[k].items()} for k in ("ranges_before", "ranges"))
            calibration = Calibration(
                simulator.with_ranges(**ranges),
                before,
                ranges,
                plain["before"],
                plain["after"],
                tuple(plain["trials"]),
                plain.get("discrepancy"),
                plain.get("checks"),
            )
        return simulator.with_ranges(**_ranges(kept["ranges"])), calibration, kept["seconds"]

    def keep_search(self, key: str, found: Simulator, calibration: Calibration | None, seconds: float) -> None:
        """Keep the ranges of a calibrated or widened simulator, and how they were found."""
        plain = None
        if calibration is not None:
            names = [f.name for f in fields(calibration) if f.name != "simulator"]
            plain = {name: getattr(calibration, name) for name in names}
        kept = {"ranges": found.ranges, "calibration": plain, "seconds": seconds}
        write_whole(self.path / f"{key}.json", json.dumps(kept) + "\n")


def fingerprint(domain: Labelled | Unlabelled | None) -> str:
    """What tells data from other data: a hash of its size, of some evenly spaced inputs, and of all labels."""
    if domain is None:
        return "none"
    found = hashlib.sha256(f"{len(domain)} {domain.shape}".encode())
    found.update(to_float(domain.inputs[evenly(len(domain), MARKED)]).contiguous().numpy().tobytes())
    if isinstance(domain, Labelled):
        found.update(domain.labels.contiguous().numpy().tobytes() + repr((domain.classes, domain.columns)).encode())
    return found.hexdigest()


def _ranges(plain: dict[str, Any]) -> dict[str, Any]:
    return {name: (r[0], r[1]) if isinstance(r, list) else r for name, r in plain.items()}


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there as a whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
