"""Evaluation: every training of a comparison runs on the same data and is measured alike."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..calibrate import Calibration
from ..data.domains import Inputs, Labelled, Unlabelled
from ..data.groups import Groups, held_out, of_samples
from ..errors import InputError
from ..measure.distances import proxy_a_distance
from ..route.route import Budget, OnReport, Route, Run, default_task
from ..select.validators import inconsistency, normalised_nuclear_norm, temperature_scaled
from ..simulate import Simulator
from ..tasks import Classification, Task
from ..training.mapping import Mapping
from ..training.model import Model

Domain = TypeVar("Domain", Labelled, Unlabelled)
HELD_SEED = 2**31  # of source samples that no training has rendered
HELD = 500  # source samples kept from training, to measure source accuracy on
LEAST = 10  # samples of each domain to compare on
SHOWN = 1000  # samples of each domain whose features and gap are measured


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
        inconsistency: how far what is said of moved target samples is from what should be said, see `validators.inconsistency`.
        calibrated_bnm: of what it says of the target, see `validators.CandidateOutputs`.
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
    inconsistency: float = float("nan")
    calibrated_bnm: float = float("nan")
    gap_before: float = float("nan")
    label_kept: float | None = None
    steps: int | None = None


@dataclass(frozen=True)
class TrainingJob:
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
class Evaluation:
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

    def run(self, training: TrainingJob, on_report: OnReport | None = None) -> Trial:
        """Train a route with one seed and measure it; `InputError`, `TrainingDiverged` as `Route.run`."""
        source, rendering = self.rendered(training.simulator, training.seed)
        start = time.perf_counter()
        budget = replace(self.budget, seed=training.seed, steps=training.steps)
        run = training.route.run(source, self.target, task=self.task, budget=budget, on_report=on_report)
        seconds = time.perf_counter() - start + rendering + training.spent
        run = replace(run, calibration=training.calibration, simulator=self.changed(training.simulator))
        return self.measured(run, training.seed, training.steps, seconds)

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
            inconsistency=inconsistency(run.model, seen, run.model.outputs(seen)),
            calibrated_bnm=normalised_nuclear_norm(temperature_scaled(said, held, self.truth))
            if classes
            else float("nan"),
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
