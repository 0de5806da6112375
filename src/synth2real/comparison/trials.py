"""Trials on disk: each finished training of a comparison has its own folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..calibrate import Calibration
from ..data.domains import Labelled, Unlabelled, evenly, to_float
from ..data.labels import Boxes, Labels, Masks
from ..errors import InputError, TrainingDiverged
from ..networks.named_code import named_in
from ..refine import load_refiner
from ..refine.displacement import Displacement
from ..route.earlier_versions import completed_route
from ..route.run import Run
from ..select.validators import Moved
from ..simulate import Sampling, Simulator
from ..simulate.distributions import plain, read_sampling
from ..storage import make_folder, write_tensors, write_text, writing
from ..training.mapping import REFINER, Mapped
from ..training.saved_model import load_model
from .evaluation import Evaluation, TrainingJob, Trial

TRIAL, ARRAYS, DATA = "trial.json", "predictions.safetensors", "data.json"
MOVED = "moved"  # predictions for moved samples, in the arrays; and in the JSON, whether there are any
NOTES, DISPLACEMENT = "notes", "displacement"  # of the run
HELD_PART = "held part of the source"  # key in data.json
SAMPLINGS = ("ranges_before", "ranges", "given")  # fields of a calibration that hold ranges or distributions
MARKED = 64  # inputs of a domain that go into its fingerprint
PLAIN = (
    "seed",
    "seconds",
    "source_metrics",
    "test_metrics",
    "gap_after",
    "steps",
)  # kept as JSON


class TrialStore:
    """Finished trials on disk, one folder each. A folder is complete or does not exist.

    Args:
        path: parent folder of all trials.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path)

    def check_same_data(self, evaluation: Evaluation) -> None:
        """Store a fingerprint of the data, so that trials on other data are never reused.

        Raises:
            InputError: there are trials on other data.
        """
        source = evaluation.original_source
        if isinstance(source, Simulator):  # by its settings: rendered images may differ in the last bit
            fingerprints = {
                "simulator": _settings(source),
                "number of images to render": str(evaluation.budget.n),
            }
        else:
            fingerprints = {
                "source": fingerprint(evaluation.whole_source),
                HELD_PART: fingerprint(evaluation.held),
            }
        fingerprints |= {"target": fingerprint(evaluation.target), "test": fingerprint(evaluation.test)}
        file = self.path / DATA
        kept = _read(file) if file.is_file() else fingerprints
        differing = [name for name, found in fingerprints.items() if kept.get(name) != found]
        differing = [name for name in differing if name != HELD_PART or "source" not in differing]
        begun = any(one.name != DATA and not one.name.startswith(".") for one in self.path.iterdir())
        if differing and begun:
            another = " and another ".join(differing).replace(HELD_PART, "held-out part of the source")
            raise InputError(
                f"{self.path}: found trainings with another {another}, expected the same data. Give the same data, or "
                "another folder"
            )
        write_text(file, json.dumps(fingerprints) + "\n")

    def has(self, training: TrainingJob) -> bool:
        """Whether this training is stored with these settings and all present scores, finished or diverged."""
        kept = self._kept(training)
        same = kept.get("route") == json.loads(json.dumps(training.route.describe()))
        return same and ("diverged" in kept or {*PLAIN, MOVED, NOTES} <= set(kept))

    def _kept(self, training: TrainingJob) -> dict[str, Any]:
        """The JSON of a stored training, with all present settings; empty if it is not stored."""
        file = self.path / training.key / TRIAL
        kept = _read(file) if file.is_file() else {}
        return {**kept, "route": completed_route(kept["route"])} if "route" in kept else kept

    def write(self, training: TrainingJob, made: Trial | TrainingDiverged) -> None:
        """Store a trial, or the error if its training diverged."""
        partial, whole = self.path / f".{training.key}.partial", self.path / training.key
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with writing(whole):
                partial.mkdir(parents=True)
                self._write(partial, training, made)
                shutil.rmtree(whole, ignore_errors=True)  # of another version
                partial.replace(whole)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @staticmethod
    def _write(partial: Path, training: TrainingJob, made: Trial | TrainingDiverged) -> None:
        if isinstance(made, TrainingDiverged):
            kept: dict[str, Any] = {"diverged": [made.step, made.term, made.value, made.taken]}
        else:
            made.run.model.save(partial)
            if made.run.refiner is not None:
                made.run.refiner.save(partial / REFINER)
            parts = {"target": made.target, "held": made.held}
            parts |= {f"{MOVED}.{name}": values for name, values in (vars(made.moved) if made.moved else {}).items()}
            arrays = {key: array for name, part in parts.items() for key, array in _arrays(name, part).items()}
            write_tensors(partial / ARRAYS, {name: array.clone() for name, array in arrays.items()})
            kept = {name: getattr(made, name) for name in PLAIN} | {MOVED: made.moved is not None}
            kept |= {"history": made.run.history, "stages": made.run.seconds, NOTES: made.run.notes}
            kept[DISPLACEMENT] = None if made.run.displacement is None else made.run.displacement.plain()
        kept["route"] = training.route.describe()
        write_text(partial / TRIAL, json.dumps({"name": training.name, **kept}) + "\n")

    def read(self, training: TrainingJob, evaluation: Evaluation) -> Trial | TrainingDiverged:
        """Read what `write` has stored; images are rendered and refined again when they are used."""
        folder = self.path / training.key
        kept = self._kept(training)
        if "diverged" in kept:
            return TrainingDiverged(*kept["diverged"])
        own = tuple(named_in(training.route.describe()))  # the user has named these for this comparison
        try:
            arrays = load_file(folder / ARRAYS)
        except (SafetensorError, OSError):
            raise _damaged(folder / ARRAYS) from None
        rendered, _ = evaluation.rendered(training.simulator, training.seed)
        refiner = (
            load_refiner(folder, trust=own, hardware=evaluation.budget.hardware)
            if (folder / REFINER).is_dir()
            else None
        )
        run = Run(
            model=evaluation.stored(load_model(folder, trust=own, hardware=evaluation.budget.hardware)),
            history=kept["history"],
            seconds=kept["stages"],
            rendered=rendered,
            refined=None if refiner is None else Mapped(refiner, rendered),
            calibration=training.calibration,
            refiner=refiner,
            simulator=evaluation.changed(training.simulator),
            notes=kept[NOTES],
            displacement=None if kept.get(DISPLACEMENT) is None else Displacement.of(kept[DISPLACEMENT]),
        )
        stored = {name: kept[name] for name in PLAIN}
        moved = Moved(*(_predicted(arrays, f"{MOVED}.{f.name}") for f in fields(Moved))) if kept[MOVED] else None
        target, held = (_predicted(arrays, name) for name in ("target", "held"))
        return Trial(run=run, target=target, held=held, moved=moved, **stored)

    def search(self, key: str, simulator: Simulator) -> tuple[Simulator, Calibration | None, float] | None:
        """A calibrated or widened simulator that `keep_search` has stored; None if there is none."""
        file = self.path / f"{key}.json"
        if not file.is_file():
            return None
        kept = _read(file)
        calibration = None
        if kept["calibration"] is not None:
            found: dict[str, Any] = {**kept["calibration"]}
            found |= {name: _samplings(found.get(name, {})) for name in SAMPLINGS}
            found |= {"trials": tuple(found["trials"]), "correlations": found.get("correlations", {})}
            ranges = found["given"] | found["ranges"]
            calibrated = simulator.with_ranges(**ranges).with_correlations(found["correlations"])
            calibration = Calibration(calibrated, **found)
        changed = simulator.with_ranges(**_samplings(kept["ranges"])).with_correlations(kept.get("correlations", {}))
        return changed, calibration, kept["seconds"]

    def keep_search(self, key: str, found: Simulator, calibration: Calibration | None, seconds: float) -> None:
        """Store the joint distribution of a calibrated or widened simulator, and the result of the search."""
        described = None
        if calibration is not None:
            names = [f.name for f in fields(calibration) if f.name != "simulator"]
            described = {name: getattr(calibration, name) for name in names}
            described |= {name: _plain(described[name]) for name in SAMPLINGS}
        kept = {"ranges": _plain(found.ranges), "correlations": dict(found.correlations), "calibration": described}
        write_text(self.path / f"{key}.json", json.dumps(kept | {"seconds": seconds}) + "\n")


def _arrays(name: str, predictions: Tensor | Boxes) -> dict[str, Tensor]:
    """Predictions as arrays: one, or those of boxes."""
    if isinstance(predictions, Tensor):
        return {name: predictions}
    return {f"{name}.{field.name}": getattr(predictions, field.name) for field in fields(predictions)}


def _predicted(arrays: Mapping[str, Tensor], name: str) -> Tensor | Boxes:
    """Inverse of `_arrays`."""
    return arrays[name] if name in arrays else Boxes(*(arrays[f"{name}.{field.name}"] for field in fields(Boxes)))


def _read(file: Path) -> dict[str, Any]:
    """The content of a JSON file of the store. Raise `InputError` if it is damaged."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        kept = None
    if not isinstance(kept, dict):
        raise _damaged(file)
    return kept


def _damaged(file: Path) -> InputError:
    """The error for a file of the store. Without it, a training or a search is done again."""
    lost = file.parent if file.name in (TRIAL, ARRAYS) else file
    return InputError(f"{file}: is damaged. Delete {lost}: the same command with --resume then does that part again")


def fingerprint(domain: Labelled | Unlabelled | None) -> str:
    """Fingerprint of a domain: a hash of its size, of some evenly spaced inputs, and of all labels and given values."""
    if domain is None:
        return "none"
    found = hashlib.sha256(f"{len(domain)} {domain.shape}".encode())
    found.update(to_float(domain.inputs[evenly(len(domain), MARKED)]).contiguous().numpy().tobytes())
    if domain.given is not None:
        found.update(domain.given.contiguous().numpy().tobytes() + repr(domain.given_columns).encode())
    if isinstance(domain, Labelled):
        for part in _label_bytes(domain.labels):
            found.update(part)
        found.update(repr((domain.classes, domain.columns)).encode())
    return found.hexdigest()


def _label_bytes(labels: Labels) -> Iterator[bytes]:
    """All labels as bytes; of masks, which may be decoded on access, those of `MARKED` images at once."""
    parts: Iterable[Tensor]
    if isinstance(labels, Boxes):
        parts = [labels.offsets, labels.classes, labels.corners]
    elif isinstance(labels, Masks):
        parts = (labels[index].tensor for index in torch.arange(len(labels)).split(MARKED))
    else:
        parts = [labels]
    for part in parts:
        yield part.contiguous().numpy().tobytes()


def _settings(simulator: Simulator) -> str:
    """All settings of a simulator, and what follows from them, in the form of earlier comparisons."""
    values = ", ".join(f"{one.name}={getattr(simulator, one.name)!r}" for one in fields(simulator) if one.repr)
    found = f"{type(simulator).__qualname__}({values})"
    return f"({found}, {simulator.samplings()!r}, {simulator.all_correlations()!r})"


def _plain(ranges: Mapping[str, float | Sampling]) -> dict[str, Any]:
    return {name: plain(one) for name, one in ranges.items()}


def _samplings(kept: dict[str, Any]) -> dict[str, Any]:
    """What `_plain` made plain. A fixed value becomes a range."""
    return {name: read_sampling(one) for name, one in kept.items()}
