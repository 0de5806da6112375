"""Trials: one training of a route in a comparison, measured like all others, and kept on disk once it is finished."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..calibrate import Calibration
from ..data.domains import Inputs, Labelled, Unlabelled, to_float
from ..data.groups import Groups, held_out, of_samples
from ..errors import InputError, TrainingDiverged
from ..measure.distances import proxy_a_distance
from ..refine import load_refiner
from ..route.route import Budget, OnReport, Route, Run, default_task
from ..select.validators import sure_and_balanced, tempered, wander
from ..simulate import Simulator
from ..tasks.base import Classification, Task
from ..training.mapping import REFINER, Mapping
from ..training.model import Model, load_model

Domain = TypeVar("Domain", Labelled, Unlabelled)
HELD_SEED = 2**31  # of source samples that no training has rendered
HELD = 500  # source samples kept from training, to measure source accuracy on
LEAST = 10  # samples of each domain to compare on
SHOWN = 1000  # samples of each domain whose features and gap are measured
TRIAL, ARRAYS, DATA = "trial.json", "predictions.safetensors", "data.json"
MARKED = 64  # inputs of a domain that it is told from others by


@dataclass(frozen=True)
class Trial:
    """One route, trained with one seed.

    Args:
        seed: of the run.
        run: what it made.
        target: predictions on the unlabelled target.
        held: predictions on source samples that were not trained on.
        seconds: of the whole route.
        source_metrics: on source samples that were not trained on.
        test_metrics: on real labels, where there are some; never used to choose.
        gap_after: proxy A-distance in the route's own features.
        wander: how far what is said of moved target samples is from what should be said, see `validators.wander`.
        certainty: of what it says of the target, see `validators.Known`.
        gap_before: the same in source-only features of raw inputs; nan until source only has been trained.
        label_kept: share of refined images on which source only still says what they were made as; None unrefined.
        steps: of the training; None where the data settled them.
    """

    seed: int
    run: Run
    target: Tensor
    held: Tensor
    seconds: float
    source_metrics: dict[str, Any]
    test_metrics: dict[str, Any] | None
    gap_after: float
    wander: float = float("nan")
    certainty: float = float("nan")
    gap_before: float = float("nan")
    label_kept: float | None = None
    steps: int | None = None


PLAIN = (
    "seed",
    "seconds",
    "source_metrics",
    "test_metrics",
    "gap_after",
    "wander",
    "certainty",
    "steps",
)  # kept as JSON


@dataclass(frozen=True)
class Piece:
    """One training that a comparison asks for.

    Args:
        name: of the route.
        key: of its folder, told apart from all others.
        route: without calibration and widening, which `simulator` has been through.
        seed, steps: as in `Budget`.
        simulator: to render from; None where the source is labelled data.
        calibration: what the search of the simulator found.
        spent: seconds that the search took.
    """

    name: str
    key: str
    route: Route
    seed: int
    steps: int | None
    simulator: Simulator | None = None
    calibration: Calibration | None = None
    spent: float = 0.0


@dataclass
class Bench:
    """Runs routes on the same data, and measures all of them alike.

    Args:
        source, target, test, task, budget: as in `compare`.
        groups: of the source's samples (N,) int64, so that what is held from training shares none with the rest.
        target_groups: of the target's samples, which intervals and the gap keep whole.
    """

    given: Labelled | Simulator
    target: Unlabelled
    test: Labelled | None
    asked: Task | None
    budget: Budget
    groups: Groups = None
    target_groups: Groups = None
    _rendered: dict[str, tuple[Labelled, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, domain in (("source", self.given), ("target", self.target)):
            if not isinstance(domain, Simulator) and len(domain) < LEAST:
                raise InputError(f"the {what} holds {len(domain)} sample(s), expected {LEAST} or more to compare on")
        if isinstance(self.given, Labelled):
            least = min(HELD, max(1, len(self.given) // 10))
            kept, held = held_out(len(self.given), least, self.groups, self.budget.seed)
            self.source: Labelled | Simulator = self.given.subset(kept)
            self.held, self.raw = self.given.subset(held), self.given
            self.held_groups = None if self.groups is None else self.groups[held]
        else:
            self.source = self.given
            self.held = self.raw = self.given.labelled(HELD, HELD_SEED)
            self.held_groups = None
        self.task = self.asked or default_task(self.raw)

    @property
    def truth(self) -> Tensor:
        """Labels of the held source samples, as the task takes them."""
        return self.task.align(self.held) if isinstance(self.task, Classification) else self.held.labels

    @property
    def seen_groups(self) -> Groups:
        """Of the samples of the target that `some` takes."""
        return of_samples(self.target_groups, evenly(len(self.target)))

    def rendered(self, simulator: Simulator | None, seed: int) -> tuple[Labelled, float]:
        """What is trained on, and the seconds it took to render; made once for all routes that render alike."""
        if simulator is None:
            assert isinstance(self.source, Labelled)
            return self.source, 0.0
        key = f"{simulator!r}, {seed}"
        if key not in self._rendered:
            start = time.perf_counter()
            made = simulator.labelled(self.budget.n, seed)
            self._rendered[key] = (made, time.perf_counter() - start)
        return self._rendered[key]

    def changed(self, simulator: Simulator | None) -> Simulator | None:
        """A simulator that was calibrated or widened; None for the source as it was given."""
        return None if simulator == self.source else simulator

    def run(self, piece: Piece, on_report: OnReport | None = None) -> Trial:
        """Train a route with one seed and measure it; `InputError`, `TrainingDiverged` as `Route.run`."""
        source, rendering = self.rendered(piece.simulator, piece.seed)
        start = time.perf_counter()
        budget = replace(self.budget, seed=piece.seed, steps=piece.steps)
        run = piece.route.run(source, self.target, task=self.task, budget=budget, on_report=on_report)
        seconds = time.perf_counter() - start + rendering + piece.spent
        run = replace(run, calibration=piece.calibration, simulator=self.changed(piece.simulator))
        return self.measured(run, piece.seed, piece.steps, seconds)

    def measured(self, run: Run, seed: int, steps: int | None, seconds: float) -> Trial:
        """What a run reaches, on all data of the bench."""
        seen = some(self.target).inputs
        said, held = (run.model.predict(domain).values for domain in (self.target, self.held.unlabelled()))
        classes = isinstance(self.task, Classification)
        return Trial(
            seed=seed,
            run=run,
            target=said,
            held=held,
            seconds=seconds,
            source_metrics=run.model.evaluate(self.held),
            test_metrics=None if self.test is None else run.model.evaluate(self.test),
            gap_after=self.gap(run.model, shipped_source(run)),
            wander=wander(run.model, seen, run.model.outputs(seen)),
            certainty=sure_and_balanced(tempered(said, held, self.truth)) if classes else float("nan"),
            steps=steps,
        )

    def gap(self, model: Model, source: Labelled) -> float:
        """Proxy A-distance of the domains in a model's features."""
        ours, theirs = (model.embed(some(domain).inputs) for domain in (source.unlabelled(), self.target))
        return proxy_a_distance(ours, theirs, groups=(None, self.seen_groups))


def shipped_source(run: Run) -> Labelled:
    """The source as the model was trained on it: refined, where the route refines."""
    return run.rendered if run.refined is None else replace(run.rendered, inputs=run.refined)


def some(domain: Domain, most: int = SHOWN) -> Domain:
    """At most `most` samples, evenly spaced."""
    return domain.subset(evenly(len(domain), most))


def evenly(count: int, most: int = SHOWN) -> Tensor:
    """Indices (int64) of at most `most` of `count` samples, evenly spaced."""
    return torch.linspace(0, count - 1, min(count, most)).long()


@dataclass(frozen=True)
class Refined:
    """Source images that are refined when asked for."""

    refiner: Mapping
    inputs: Inputs

    @property
    def shape(self) -> torch.Size:
        return self.inputs.shape

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        return self.refiner.transform(self.inputs[index])


class Store:
    """Finished trials on disk, one folder each: it is there as a whole or not at all.

    Args:
        path: folder that holds them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def claim(self, bench: Bench) -> None:
        """Mark the data that trials are made on, so that those on other data are never taken for them.

        Raises:
            InputError: there are trials on other data.
        """
        if isinstance(bench.given, Simulator):  # by its settings: what it renders need not be the same to the last bit
            ranges = {p.name: bench.given.range(p.name) for p in bench.given.parameters}
            marks = {"simulator": repr((bench.given, ranges)), "number of images to render": str(bench.budget.n)}
        else:
            marks = {"source": mark(bench.raw), "held part of the source": mark(bench.held)}
        marks |= {"target": mark(bench.target), "test": mark(bench.test)}
        file = self.path / DATA
        kept = json.loads(file.read_text()) if file.is_file() else marks
        apart = [name for name, found in marks.items() if kept.get(name) != found]
        apart = [name for name in apart if name != "held part of the source" or "source" not in apart]
        begun = any(one.name != DATA and not one.name.startswith(".") for one in self.path.iterdir())
        if apart and begun:
            raise InputError(
                f"{self.path}: found trainings with another {' and another '.join(apart)}, expected the same as they "
                "had. Give that, or another folder to begin in"
            )
        write_whole(file, json.dumps(marks) + "\n")

    def has(self, piece: Piece) -> bool:
        """Whether that training has been finished, for good or ill, by these settings, and measured as we measure."""
        file = self.path / piece.key / TRIAL
        kept = json.loads(file.read_text()) if file.is_file() else {}
        same = kept.get("route") == json.loads(json.dumps(piece.route.describe()))
        return same and ("diverged" in kept or set(PLAIN) <= set(kept))

    def write(self, piece: Piece, made: Trial | TrainingDiverged) -> None:
        """Keep a trial, or how its training diverged."""
        partial, whole = self.path / f".{piece.key}.partial", self.path / piece.key
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
        kept["route"] = piece.route.describe()
        (partial / TRIAL).write_text(json.dumps({"name": piece.name, **kept}) + "\n")
        shutil.rmtree(whole, ignore_errors=True)  # of another version
        partial.replace(whole)

    def read(self, piece: Piece, bench: Bench) -> Trial | TrainingDiverged:
        """The counterpart of `write`; images are rendered and refined again when asked for."""
        folder = self.path / piece.key
        kept = json.loads((folder / TRIAL).read_text())
        if "diverged" in kept:
            return TrainingDiverged(*kept["diverged"])
        arrays = load_file(folder / ARRAYS)
        rendered, _ = bench.rendered(piece.simulator, piece.seed)
        refiner = load_refiner(folder) if (folder / REFINER).is_dir() else None
        run = Run(
            model=load_model(folder),
            history=kept["history"],
            seconds=kept["stages"],
            rendered=rendered,
            refined=None if refiner is None else Refined(refiner, rendered.inputs),
            calibration=piece.calibration,
            refiner=refiner,
            simulator=bench.changed(piece.simulator),
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


def mark(domain: Labelled | Unlabelled | None) -> str:
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
