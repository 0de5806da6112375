"""Comparison of many routes, ranked without real labels."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ..data.domains import Labelled, Unlabelled, check_kind, evenly, name_of
from ..engines import Engine, Here
from ..engines import engine as engine_of
from ..errors import InputError
from ..route.route import OnReport, Route
from ..route.run import Budget
from ..select import decision
from ..select.validators import Validator
from ..select.validators import named as find_validator
from ..simulate import Simulator
from ..tasks import Task
from ..training.kept import FeatureStore
from .candidates import SOURCE_ONLY, RouteCandidate, better
from .evaluation import SHOWN, Evaluation, Trial, some
from .halving import Plan
from .named_routes import with_baselines
from .notebook import as_table
from .pool import Aggregate, check_names
from .schedule import Listeners, OnPlan, Schedule, Then
from .trials import TrialStore
from .workers import OnRoute, Workers

__all__ = ["SOURCE_ONLY", "Comparison", "RouteCandidate", "Trial", "compare", "some"]

NOT_LEARNT = (
    "the models have not learnt the source: on held-out source samples they are wrong or unsure, so that nothing shows "
    "which target samples belong to no class of the source. Train for more steps"
)
PLAN, TRIALS, FEATURES = "plan.json", "trials", "features"  # in the folder of a comparison


@dataclass(frozen=True)
class Comparison:
    """Result of `compare`: the routes in the given order, and the route that was chosen without real labels.

    Args:
        candidates: routes with their trials and scores.
        task, target, test: as in `compare`.
        verdict: recommendation, in words.
        plan: how the budget of minutes was spent; None without such a budget.
        diverged: reason for each route without a finished training.
        aggregates: all routes combined into one model, in several ways; shown, but never chosen.
        short: says that the budget was too short to choose well, with the minutes that would do; empty if it was not.
        baseline: name of the route that the others were compared with.
        raw: unchanged source samples, on which the gap before adaptation was measured; None if they are the training
            samples.
        target_groups: as in `compare`.
    """

    candidates: list[RouteCandidate]
    task: Task
    target: Unlabelled
    test: Labelled | None
    verdict: str = ""
    plan: Plan | None = None
    diverged: dict[str, str] = field(default_factory=dict)
    aggregates: list[Aggregate] = field(default_factory=list)
    short: str = ""
    baseline: str = SOURCE_ONLY
    raw: Labelled | None = None
    target_groups: Tensor | None = None

    @property
    def chosen(self) -> RouteCandidate:
        """The route to ship."""
        return next(candidate for candidate in self.candidates if candidate.chosen)

    @property
    def metric(self) -> str:
        """Name of the main metric."""
        return self.task.metric

    @property
    def notes(self) -> list[str]:
        """What the user should know besides the verdict: a short budget, and what happened in the trainings."""
        found = [self.short] if self.short else []
        for candidate in self.candidates:
            said = dict.fromkeys(note for trial in candidate.trials for note in trial.run.notes)
            found += [f"“{candidate.name}”: {note}" for note in said]
        return [*found, NOT_LEARNT] if self.in_doubt is None else found

    @property
    def learners(self) -> list[RouteCandidate]:
        """The routes that have learnt the source; all if none has."""
        return [candidate for candidate in self.candidates if candidate.learnt] or self.candidates

    @property
    def in_doubt(self) -> list[int] | None:
        """Indices of uncertain target samples, which may belong to no source class, see `decision.in_doubt`.

        None if the models have not learnt the source, so that they are uncertain everywhere.
        """
        if not any(candidate.learnt for candidate in self.candidates) and self.task.higher_is_better:
            return None
        trials = [candidate.trials[0] for candidate in self.learners]
        if decision.source_in_doubt([trial.held for trial in trials], self.task) > decision.DOUBTED:
            return None
        found = decision.in_doubt([trial.target for trial in trials], self.task)
        return evenly(len(self.target), SHOWN)[found].tolist() if self.task.dense else found

    def rows(self) -> list[dict[str, Any]]:
        """One row per route: metric (mean and spread over seeds, None without real labels), gaps, seconds, score."""
        return [_row(candidate, self.metric) for candidate in self.candidates]

    def ranking(self) -> list[dict[str, Any]]:
        """The table of `comparison.json`: the chosen route, the others by round and label-free score, aggregates."""
        ranked = better(self.candidates, self.task)
        order = sorted(ranked, key=lambda e: (e.chosen, e.round), reverse=True)
        routes = [
            {
                **self._ranked(_row(candidate, self.metric)),
                "seconds": candidate.spent,
                "steps": candidate.trials[0].steps,
                "refused": candidate.refused or None,
            }
            for candidate in order
        ]
        return routes + [self._ranked(one.row(self.metric)) for one in self.aggregates]

    def _ranked(self, row: dict[str, Any]) -> dict[str, Any]:
        """The fields of a row that the ranking takes unchanged."""
        return {
            "name": row["name"],
            "score_label_free": row["score_label_free"],
            "estimate": row["estimate"],
            "interval": row["interval"],
            "test_score": row[f"{self.metric}_mean"],
            "seconds": row["seconds"],
            "chosen": row["chosen"],
            "steps": None,
            "seeds": row["seeds"],
            "refused": None,
        }

    def plain(self) -> dict[str, Any]:
        """The content of `comparison.json`: the ranking, the verdict, the plan."""
        return {
            "routes": self.ranking(),
            "verdict": self.verdict,
            "metric": self.metric,
            "chosen": self.chosen.name,
            "baseline": self.baseline,
            "notes": self.notes,
            "diverged": self.diverged,
            "in_doubt": None if self.in_doubt is None else [name_of(self.target, i) for i in self.in_doubt],
            "plan": None if self.plan is None else self.plan.plain(),
        }

    def _repr_html_(self) -> str:
        return as_table(self.ranking(), self.task.metric_name, self.verdict)


def _row(candidate: RouteCandidate, metric: str) -> dict[str, Any]:
    def mean(values: Sequence[float]) -> float:
        return float(torch.tensor(list(values), dtype=torch.float64).mean())

    trials = candidate.trials
    scores = [trial.test_metrics[metric] for trial in trials if trial.test_metrics is not None]
    spread = float(torch.tensor(scores, dtype=torch.float64).std()) if len(scores) > 1 else None
    kept = [trial.label_kept for trial in trials if trial.label_kept is not None]
    return {
        "name": candidate.name,
        f"{metric}_mean": mean(scores) if scores else None,
        f"{metric}_std": spread,
        "score_label_free": None if math.isnan(candidate.score) else candidate.score,
        "estimate": candidate.estimate and candidate.estimate.value,
        "interval": candidate.estimate and [candidate.estimate.low, candidate.estimate.high],
        f"source_{metric}": mean([trial.source_metrics[metric] for trial in trials]),
        "gap_before": mean([trial.gap_before for trial in trials]),
        "gap_after": mean([trial.gap_after for trial in trials]),
        "label_kept": mean(kept) if kept else None,
        "seconds": mean([trial.seconds for trial in trials]),
        "seeds": [trial.seed for trial in trials],
        "chosen": candidate.chosen,
    }


def compare(
    routes: Mapping[str, Route],
    source: Labelled | Simulator | Any,
    target: Unlabelled | Any,
    *,
    test: Labelled | Any = None,
    task: Task | None = None,
    budget: Budget | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    repeat: Literal["chosen", "all"] = "chosen",
    then: Then | None = None,
    minutes: float | None = None,
    jobs: int = 1,
    engine: str | None = None,
    folder: Path | None = None,
    source_groups: Tensor | None = None,
    target_groups: Tensor | None = None,
    validator: str | Validator | None = None,
    on_route: OnRoute | None = None,
    on_report: OnReport | None = None,
    on_timing: Callable[[str], None] | None = None,
    on_plan: OnPlan | None = None,
) -> Comparison:
    """Train every route, choose one by its label-free score, and repeat it with more seeds.

    Args:
        routes: by name; `source only` and the baseline are added as the first routes if they are missing.
        source, target, task, budget: as in `Route.run`.
        test: real labelled data, as for the source, to report a test score; never used to choose.
        seeds, repeat: every route is trained with the first seed, the baselines and the chosen route (or all) with all.
        then: receives the route names, best score first, and returns more routes to train, such as combinations.
        minutes: time for all trainings. A few routes are trained once; of more routes, the two best and the baselines
            are trained again, for more steps. Without it every training takes the budget's steps.
        jobs, engine: trainings at the same time, by `processes` (needs `if __name__ == "__main__"`) or by `ray`.
        folder: stores the plan and finished trainings and reuses them; refused if it has trainings on other data.
        source_groups, target_groups: (N,) int64, person or video of each sample; splits and intervals keep it whole.
        validator: a name or function. None: `sample_scores`, surely better than that of `named_routes.with_baselines`.
        on_route: called with name and seed before each run (with several jobs: after it); `on_report`: with one job.
        on_timing, on_plan: called with what is timed next, in words; with the plan and its seconds in all.

    Raises:
        InputError: as `Route.run`; `folder` has trainings on other data.
        TrainingDiverged: source only diverged. Other routes that diverge are left out and listed.
    """
    _check(routes, minutes, then)
    named, baseline = with_baselines(routes)
    evaluation = Evaluation(source, target, test, task, budget or Budget(), source_groups, target_groups)
    heard = Listeners(on_route, on_report, on_timing, on_plan)
    runs = engine_of(engine, jobs, evaluation.budget.hardware.own_gpus)
    return _compared(named, baseline, evaluation, seeds, repeat, then, minutes, runs, folder, heard, validator)


def planned(
    routes: Mapping[str, Route],
    source: Labelled | Simulator,
    target: Unlabelled,
    *,
    minutes: float,
    test: Labelled | None = None,
    task: Task | None = None,
    budget: Budget | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    jobs: int = 1,
    engine: str | None = None,
    source_groups: Tensor | None = None,
    target_groups: Tensor | None = None,
    on_timing: Callable[[str], None] | None = None,
) -> tuple[Plan, float]:
    """The plan of a comparison and the seconds that it takes. Nothing is trained to its end, and nothing is written.

    Args:
        routes, source, target, minutes, test, task, budget, seeds, jobs, engine, source_groups, target_groups,
            on_timing: as in `compare`.

    Raises:
        InputError: as `compare`.
    """
    _check(routes, minutes, None)
    named, baseline = with_baselines(routes)
    evaluation = Evaluation(source, target, test, task, budget or Budget(), source_groups, target_groups)
    heard = Listeners(on_timing=on_timing)
    with engine_of(engine, jobs) as runs:
        schedule = Schedule(evaluation, named, baseline, None, Workers(evaluation, None, runs), heard)
        plan = schedule.plan(minutes, seeds, None)
    return plan, plan.expected(seeds)


def _check(routes: Mapping[str, Route], minutes: float | None, then: Then | None) -> None:
    """Raise `InputError` for wrong names or arguments that exclude each other."""
    check_kind(routes, Mapping, "the routes are", "Name each: {'dann': Route(adapt=adapt.DANN())}")
    if minutes is not None and not 0 < minutes < float("inf"):
        raise InputError(f"the budget is {minutes} minutes, expected a finite number above 0")
    if minutes is not None and then is not None:
        raise InputError(
            "then= and minutes= exclude each other: found both, expected one, because halving drops routes itself"
        )
    check_names(routes)
    wrong = next((name for name, route in routes.items() if not isinstance(route, Route)), None)
    if wrong is not None:
        found = type(routes[wrong]).__name__
        raise InputError(f"route '{wrong}' is {found}, expected a Route, such as Route(adapt=DANN())")


def _compared(
    routes: Mapping[str, Route],
    baseline: str,
    evaluation: Evaluation,
    seeds: Sequence[int],
    repeat: str,
    then: Then | None,
    minutes: float | None,
    engine: Engine,
    folder: Path | None,
    heard: Listeners,
    validator: str | Validator | None,
) -> Comparison:
    """Run the schedule of a comparison; without a folder, trials of workers are stored in a temporary one."""
    if isinstance(validator, str):
        validator = find_validator(validator, evaluation.task)
    with engine, tempfile.TemporaryDirectory() as scratch:
        kept = folder or Path(scratch)
        store = None if folder is None and isinstance(engine, Here) else TrialStore(kept / TRIALS)
        if store is not None:
            store.check_same_data(evaluation)
            evaluation.store = FeatureStore(kept / FEATURES)
        workers = Workers(evaluation, store, engine)
        schedule = Schedule(evaluation, routes, baseline, store, workers, heard, validator)
        plan = None if minutes is None else schedule.plan(minutes, seeds, kept / PLAN)
        schedule.rounds(plan, seeds, repeat, then)
        verdict = schedule.concluded(plan)
        evaluation.store.forget_files()
    return Comparison(
        schedule.candidates,
        evaluation.task,
        evaluation.target,
        evaluation.test,
        verdict,
        plan,
        schedule.diverged,
        schedule.aggregates,
        short=schedule.short,
        baseline=baseline,
        target_groups=evaluation.target_groups,
    )
