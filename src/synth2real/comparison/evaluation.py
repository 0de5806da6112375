"""Evaluation: runs every training of a comparison on the same data and measures all trainings in the same way."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from torch import Tensor

from ..calibrate import Calibration
from ..data.domains import Labelled, Unlabelled, evenly
from ..data.groups import Groups, held_out, of_samples
from ..data.tiles.cutting import images_of
from ..errors import InputError
from ..measure.distances import proxy_a_distance
from ..route.preconditions import as_domains
from ..route.route import OnReport, Route, default_task
from ..route.run import Budget, Run
from ..select.validators import CandidateOutputs, Moved, compact, labels_of, least_held_out, move
from ..simulate import Simulator
from ..tasks import Task
from ..training.featured import by_source
from ..training.kept import FeatureStore
from ..training.model import Model

Domain = TypeVar("Domain", Labelled, Unlabelled)
HELD_SEED = 2**31  # seed of the held-out source samples; no training renders with it
HELD = 500  # most held-out source samples: a tenth of the source, or what an estimate needs, but at most a fifth
LEAST = 10  # fewest samples of each domain
SHOWN = 1000  # most samples of each domain that features and gap are measured on


@dataclass(frozen=True)
class Trial:
    """One route, trained with one seed.

    Args:
        seed: seed of the run.
        run: model and other results of the run.
        target: predictions on the unlabelled target; of a dense task probabilities (N, C, h, w) or boxes of the samples
            that `some` selects, see `validators.compact`.
        held: predictions on held-out source samples, in the form of those on the target.
        seconds: training time of the route in seconds, with the search of the ranges and the rendering.
        source_metrics: metrics on held-out source samples.
        test_metrics: metrics on real labels, if there are any; never used to choose.
        gap_after: proxy A-distance in the route's own features.
        moved: predictions for moved target samples, those that `some` selects; None if no move is known.
        gap_before: proxy A-distance in source-only features of raw inputs; nan until source only has been trained.
        label_kept: share of refined images for which source only still predicts the label that they were rendered
            with; None if the route does not refine.
        steps: training steps; None if the number followed from the data.
    """

    seed: int
    run: Run
    target: Any
    held: Any
    seconds: float
    source_metrics: dict[str, Any]
    test_metrics: dict[str, Any] | None
    gap_after: float
    moved: Moved | None = None
    gap_before: float = float("nan")
    label_kept: float | None = None
    steps: int | None = None

    @property
    def outputs(self) -> CandidateOutputs:
        """Its outputs on the target samples that `some` selects, and on the held-out source."""
        return CandidateOutputs(self.target[evenly(len(self.target), SHOWN)], self.held, self.moved)


@dataclass(frozen=True)
class TrainingJob:
    """One training of a comparison.

    Args:
        name: name of the route.
        key: unique name of the folder of this training.
        route: the route without the stages calibrate and widen; they are already applied to `simulator`.
        seed, steps: as in `Budget`.
        simulator: simulator that renders the source; None if the source is labelled data.
        calibration: result of the search of the simulator's ranges.
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

    def __str__(self) -> str:
        return f"route '{self.name}' with seed {self.seed}"


@dataclass
class Evaluation:
    """Runs routes on the same data and measures all of them in the same way.

    Args:
        original_source: the source, as in `compare`.
        target, test, budget: as in `compare`.
        requested_task: the task, as in `compare`.
        groups: group of each source sample (N,) int64. No group is split between training and held-out samples. By
            default the image of each tile, if images are cut into tiles; so are the groups of the target.
        target_groups: group of each target sample (N,) int64. Intervals and the gap resample or split whole groups.
        store: of the outputs of frozen feature extractors, which all trainings share.
    """

    original_source: Labelled | Simulator
    target: Unlabelled
    test: Labelled | None
    requested_task: Task | None
    budget: Budget
    groups: Groups = None
    target_groups: Groups = None
    store: FeatureStore = field(default_factory=FeatureStore)
    _rendered: list[tuple[Simulator, int, Labelled, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.target_groups is None and isinstance(self.target, Unlabelled):
            self.target_groups = images_of(self.target)
        if self.groups is None and isinstance(self.original_source, Labelled):
            self.groups = images_of(self.original_source)
        self.original_source, self.target, self.test = as_domains(self.original_source, self.target, self.test)
        for what, domain in (("source", self.original_source), ("target", self.target)):
            if not isinstance(domain, Simulator) and len(domain) < LEAST:
                raise InputError(f"the {what} has {len(domain)} sample(s), expected {LEAST} or more to compare routes")
        if isinstance(self.original_source, Labelled):
            kept, held = held_out(len(self.original_source), _held(self.original_source), self.groups, self.budget.seed)
            self.source: Labelled | Simulator = self.original_source.subset(kept)
            self.held, self.whole_source = self.original_source.subset(held), self.original_source
            self.held_groups = None if self.groups is None else self.groups[held]
        else:
            self.source = self.original_source
            given = self.target.given_columns
            self.held = self.whole_source = self.original_source.labelled(HELD, HELD_SEED, given=given)
            self.held_groups = None
        self.task = self.requested_task or default_task(self.whole_source)

    @property
    def labels(self) -> Any:
        """Labels of the held-out source samples, in the form of the predictions."""
        if self.task.dense:
            return labels_of(self.held, self.task)
        labels: Tensor = self.task.align(self.held)
        return labels

    @property
    def seen_groups(self) -> Groups:
        """Groups of the target samples that `some` selects."""
        return of_samples(self.target_groups, evenly(len(self.target), SHOWN))

    def rendered(self, simulator: Simulator | None, seed: int) -> tuple[Labelled, float]:
        """The training data and the seconds to render it; rendered once for each simulator and seed."""
        if simulator is None:
            assert isinstance(self.source, Labelled)
            return self.source, 0.0
        for known, of, source, seconds in self._rendered:
            if of == seed and known == simulator:
                return source, seconds
        start = time.perf_counter()
        source = simulator.labelled(self.budget.n, seed, given=self.target.given_columns)
        seconds = time.perf_counter() - start
        self._rendered.append((simulator, seed, source, seconds))
        return source, seconds

    def changed(self, simulator: Simulator | None) -> Simulator | None:
        """A simulator that was calibrated or widened; None if it is the given source."""
        return None if simulator == self.source else simulator

    def run(self, training: TrainingJob, on_report: OnReport | None = None) -> Trial:
        """Train a route with one seed and measure it; raises `InputError` and `TrainingDiverged` as `Route.run`."""
        source, rendering = self.rendered(training.simulator, training.seed)
        start = time.perf_counter()
        budget = replace(self.budget, seed=training.seed, steps=training.steps)
        run = training.route.run(
            source, self.target, task=self.task, budget=budget, on_report=on_report, store=self.store
        )
        seconds = time.perf_counter() - start + rendering + training.spent
        run = replace(run, calibration=training.calibration, simulator=self.changed(training.simulator))
        return self.measured(run, training.seed, training.steps, seconds)

    def measured(self, run: Run, seed: int, steps: int | None, seconds: float) -> Trial:
        """The trial of a finished run: predictions and scores on all data of the evaluation."""
        self.stored(run.model)
        inputs = run.model.inputs_of(some(self.target))
        with by_source(run.model):
            held_out, source_metrics = self.predicted(run.model, self.held.unlabelled()), run.model.evaluate(self.held)
        target = self.predicted(run.model, some(self.target) if self.task.dense else self.target)
        return Trial(
            seed=seed,
            run=run,
            target=target,
            held=held_out,
            seconds=seconds,
            source_metrics=source_metrics,
            test_metrics=None if self.test is None else run.model.evaluate(self.test),
            gap_after=self.gap(run.model, run.trained_on),
            moved=move(run.model, inputs, target if self.task.dense else run.model.outputs(inputs)),
            steps=steps,
        )

    def predicted(self, model: Model, domain: Unlabelled) -> Any:
        """Predictions of a model in the form of `Trial.target`."""
        return compact(model, model.inputs_of(domain)) if self.task.dense else model.predict(domain).values

    def stored(self, model: Model) -> Model:
        """The model, which takes the outputs of a frozen feature extractor from the store.

        Maps are never frozen: a pyramid is trained on top of the extractor.
        """
        if model.description.get("tune") == "frozen" and not self.task.dense:
            model.store = self.store
        return model

    def gap(self, model: Model, source: Labelled) -> float:
        """Proxy A-distance between the domains in a model's features, of the inputs without given columns."""
        with by_source(model):
            ours = model.embed_alone(some(source.unlabelled()).inputs)
        theirs = model.embed_alone(some(self.target).inputs)
        return proxy_a_distance(ours, theirs, groups=(None, self.seen_groups))


def _held(source: Labelled) -> int:
    """Number of source samples to hold out."""
    least = min(least_held_out(len(source.classes)), len(source) // 5)
    return min(HELD, max(1, least, len(source) // 10))


def some(domain: Domain, most: int = SHOWN) -> Domain:
    """At most `most` samples, evenly spaced."""
    return domain.subset(evenly(len(domain), most))
