"""Many routes side by side, ranked without a real label."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from .calibrate import Calibration
from .distances import proxy_a_distance
from .domains import Labelled, Unlabelled
from .model import Model
from .route import Budget, OnReport, Route, Run, default_task
from .simulate import Simulator
from .tasks import Classification, Task
from .validators import ensemble_agreement, expected_agreement

Domain = TypeVar("Domain", Labelled, Unlabelled)
SOURCE_ONLY = "source only"
HELD_SEED = 2**31  # of source samples that no training has rendered
HELD = 500  # source samples kept from training, to measure source accuracy on
SHOWN = 1000  # samples of each domain whose features and gap are measured


@dataclass(frozen=True)
class Trial:
    """One route, trained with one seed.

    Args:
        seed: of the run.
        run: what it made.
        target: predictions on the unlabelled target.
        seconds: of the whole route.
        source_metrics: on source samples that were not trained on.
        test_metrics: on real labels, where there are some; never used to choose.
        gap_before, gap_after: proxy A-distance of source-only features of raw inputs, and of the route's own.
        label_kept: share of refined images on which source only still says what they were made as; None unrefined.
    """

    seed: int
    run: Run
    target: Tensor
    seconds: float
    source_metrics: dict[str, Any]
    test_metrics: dict[str, Any] | None
    gap_before: float
    gap_after: float
    label_kept: float | None


@dataclass
class Entry:
    """A route with its trials, and its label-free score: the mean agreement with all candidates together."""

    name: str
    route: Route
    trials: list[Trial] = field(default_factory=list)
    score: float = float("nan")
    chosen: bool = False


@dataclass(frozen=True)
class Comparison:
    """Routes in the order given, and which of them was chosen without a real label."""

    entries: list[Entry]
    task: Task
    target: Unlabelled
    test: Labelled | None

    @property
    def chosen(self) -> Entry:
        """The route to ship."""
        return next(entry for entry in self.entries if entry.chosen)

    @property
    def metric(self) -> str:
        """Name of the metric that stands first."""
        return self.task.metric

    def rows(self) -> list[dict[str, Any]]:
        """One row a route: the metric's mean and spread over seeds (None without real labels), gaps, seconds, score."""
        return [_row(entry, self.metric) for entry in self.entries]


def _row(entry: Entry, metric: str) -> dict[str, Any]:
    def mean(values: Sequence[float]) -> float:
        return float(torch.tensor(list(values), dtype=torch.float64).mean())

    trials = entry.trials
    scores = [trial.test_metrics[metric] for trial in trials if trial.test_metrics is not None]
    spread = float(torch.tensor(scores, dtype=torch.float64).std()) if len(scores) > 1 else None
    kept = [trial.label_kept for trial in trials if trial.label_kept is not None]
    return {
        "name": entry.name,
        f"{metric}_mean": mean(scores) if scores else None,
        f"{metric}_std": spread,
        "score_label_free": entry.score,
        f"source_{metric}": mean([trial.source_metrics[metric] for trial in trials]),
        "gap_before": mean([trial.gap_before for trial in trials]),
        "gap_after": mean([trial.gap_after for trial in trials]),
        "label_kept": mean(kept) if kept else None,
        "seconds": mean([trial.seconds for trial in trials]),
        "seeds": [trial.seed for trial in trials],
        "chosen": entry.chosen,
    }


def compare(
    routes: Mapping[str, Route],
    source: Labelled | Simulator,
    target: Unlabelled,
    *,
    test: Labelled | None = None,
    task: Task | None = None,
    budget: Budget | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    repeat: Literal["chosen", "all"] = "chosen",
    on_route: Callable[[str, int], None] | None = None,
    on_report: OnReport | None = None,
) -> Comparison:
    """Train every route, choose one by its agreement with all of them on the unlabelled target, repeat that one.

    Args:
        routes: by name; `source only` is put first where it is missing.
        source, target, task, budget: as in `Route.run`.
        test: real labelled data. It is scored beside the choice and never consulted for it.
        seeds: every route is trained with the first.
        repeat: which routes are trained with the other seeds too: source only and the chosen one, or all.
        on_route: called with name and seed before each run.
        on_report: as in `Route.run`.

    Raises:
        InputError, TrainingDiverged: as `Route.run`.
    """
    bench = _Bench(source, target, test, task, budget or Budget(), on_route, on_report)
    entries = [Entry(name, route) for name, route in {SOURCE_ONLY: Route(), **routes}.items()]
    for entry in entries:
        bench.run(entry, seeds[0])
    chosen = _rank(entries, bench.task)
    chosen.chosen = True
    for entry in entries:
        if repeat == "chosen" and not (entry is entries[0] or entry.chosen):
            continue
        for seed in seeds[1:]:
            bench.run(entry, seed)
    return Comparison(entries, bench.task, target, test)


def _rank(entries: list[Entry], task: Task) -> Entry:
    """Score each entry by its first trial; the best, ties by the votes' probabilities, then by the source's metric.

    Of values, an entry weighs by its metric on the source: measured, see docs/validators.md.
    """
    said = [entry.trials[0].target for entry in entries]
    metrics = [entry.trials[0].source_metrics[task.metric] for entry in entries]
    source = metrics if task.metric == "accuracy" else [-value for value in metrics]
    merit = None if isinstance(task, Classification) else source
    for entry, score in zip(entries, ensemble_agreement(said, task, merit), strict=True):
        entry.score = score
    expected = expected_agreement(said, task, merit)
    best = max(range(len(entries)), key=lambda i: (entries[i].score, expected[i], source[i]))
    return entries[best]


class _Bench:
    """Runs routes on the same data, and measures all of them alike."""

    def __init__(
        self,
        source: Labelled | Simulator,
        target: Unlabelled,
        test: Labelled | None,
        task: Task | None,
        budget: Budget,
        on_route: Callable[[str, int], None] | None,
        on_report: OnReport | None,
    ) -> None:
        self.target, self.test, self.budget = target, test, budget
        self.on_route, self.on_report = on_route, on_report
        if isinstance(source, Labelled):
            order = torch.randperm(len(source), generator=torch.Generator().manual_seed(budget.seed))
            count = min(HELD, len(source) // 10)
            self.source: Labelled | Simulator = source.subset(order[count:])
            self.held, self.raw = source.subset(order[:count]), source
        else:
            self.source = source
            self.held = self.raw = source.labelled(HELD, HELD_SEED)
        self.task = task or default_task(self.raw)
        self.baselines: dict[int, Model] = {}  # source only, by seed
        self.gap_before = float("nan")
        self._simulators: dict[str, tuple[Simulator | None, Calibration | None, float]] = {}

    def run(self, entry: Entry, seed: int) -> None:
        """Train an entry's route with one seed, and add the trial to it."""
        if self.on_route is not None:
            self.on_route(entry.name, seed)
        start = time.perf_counter()
        simulator, calibration, spent = self._simulator(entry.route)
        run = replace(entry.route, calibrate=None, widen=None).run(
            simulator or self.source,
            self.target,
            task=self.task,
            budget=replace(self.budget, seed=seed),
            on_report=self.on_report,
        )
        seconds = time.perf_counter() - start + spent
        if entry.name == SOURCE_ONLY:
            self.baselines[seed] = run.model
            if seed == min(self.baselines):
                self.gap_before = self._gap(run.model, self.raw)
        entry.trials.append(
            Trial(
                seed=seed,
                run=replace(run, calibration=calibration),
                target=run.model.predict(self.target).values,
                seconds=seconds,
                source_metrics=run.model.evaluate(self.held),
                test_metrics=None if self.test is None else run.model.evaluate(self.test),
                gap_before=self.gap_before,
                gap_after=self._gap(run.model, shipped_source(run)),
                label_kept=self._label_kept(run),
            )
        )

    def _simulator(self, route: Route) -> tuple[Simulator | None, Calibration | None, float]:
        """The route's simulator; found once for all routes that search it alike, its seconds counted for each."""
        if isinstance(self.source, Labelled) and route.calibrate is None and route.widen is None:
            return None, None, 0.0
        key = repr((route.calibrate, route.widen))
        if key not in self._simulators:
            start = time.perf_counter()
            found = route.simulator(self.source, self.target)
            self._simulators[key] = (*found, time.perf_counter() - start)
            return (*found, 0.0)
        return self._simulators[key]

    def _gap(self, model: Model, source: Labelled) -> float:
        ours, theirs = (model.embed(some(domain).inputs) for domain in (source.unlabelled(), self.target))
        return proxy_a_distance(ours, theirs)

    def _label_kept(self, run: Run) -> float | None:
        if run.refined is None or not isinstance(self.task, Classification):
            return None
        baseline = self.baselines[min(self.baselines)]
        return float(baseline.evaluate(some(shipped_source(run)))["accuracy"])


def shipped_source(run: Run) -> Labelled:
    """The source as the model was trained on it: refined, where the route refines."""
    return run.rendered if run.refined is None else replace(run.rendered, inputs=run.refined)


def some(domain: Domain, most: int = SHOWN) -> Domain:
    """At most `most` samples, evenly spaced."""
    return domain.subset(torch.linspace(0, len(domain) - 1, min(len(domain), most)).long())
