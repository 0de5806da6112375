"""Many routes side by side, ranked without a real label."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ..data.domains import Labelled, Unlabelled, name_of
from ..errors import InputError
from ..route.route import Budget, OnReport, Route
from ..select import decision as evidence
from ..simulate import Simulator
from ..tasks.base import Task
from .candidates import SOURCE_ONLY, RouteCandidate
from .evaluation import Evaluation, Trial, evenly, shipped_source, some
from .halving import Plan
from .notebook import as_table
from .pool import Aggregate, check_names
from .schedule import Schedule, Then
from .trials import TrialStore
from .workers import Workers

__all__ = ["SOURCE_ONLY", "Comparison", "RouteCandidate", "Trial", "compare", "evenly", "shipped_source", "some"]

PLAN, TRIALS = "plan.json", "trials"  # in the folder of a comparison


@dataclass(frozen=True)
class Comparison:
    """Routes in the order given, and which of them was chosen without a real label.

    Args:
        verdict: what to do, in words.
        plan: how a budget of minutes was spent; None where there was none.
        diverged: for each route that no training of which ended well, why.
        aggregates: all routes as one model, in several ways; shown beside them and never chosen.
        raw: source samples that no route has changed, which the gap before was measured on; None for those that were
            trained on.
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
    raw: Labelled | None = None
    target_groups: Tensor | None = None

    @property
    def chosen(self) -> RouteCandidate:
        """The route to ship."""
        return next(candidate for candidate in self.candidates if candidate.chosen)

    @property
    def metric(self) -> str:
        """Name of the metric that stands first."""
        return self.task.metric

    @property
    def in_doubt(self) -> list[int]:
        """Indices of target samples that may be of no class of the source, see `evidence.in_doubt`; classes only."""
        return evidence.in_doubt([candidate.trials[0].target for candidate in self.candidates], self.task)

    def rows(self) -> list[dict[str, Any]]:
        """One row a route: the metric's mean and spread over seeds (None without real labels), gaps, seconds, score."""
        return [_row(candidate, self.metric) for candidate in self.candidates]

    def ranking(self) -> list[dict[str, Any]]:
        """The table of `comparison.json`: the chosen, the others by round reached and label-free score, aggregates."""
        order = sorted(self.candidates, key=lambda e: (e.chosen, e.round, e.score), reverse=True)
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
        """What the ranking takes of a row as it is."""
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
        """All of `comparison.json`: the ranking, the verdict, the plan."""
        return {
            "routes": self.ranking(),
            "verdict": self.verdict,
            "metric": self.metric,
            "chosen": self.chosen.name,
            "diverged": self.diverged,
            "in_doubt": [name_of(self.target, i) for i in self.in_doubt],
            "plan": None if self.plan is None else self.plan.plain(),
        }

    def _repr_html_(self) -> str:
        return as_table(self.ranking(), self.metric, self.verdict)


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
        "score_label_free": candidate.score,
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
    source: Labelled | Simulator,
    target: Unlabelled,
    *,
    test: Labelled | None = None,
    task: Task | None = None,
    budget: Budget | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    repeat: Literal["chosen", "all"] = "chosen",
    then: Then | None = None,
    minutes: float | None = None,
    jobs: int = 1,
    folder: Path | None = None,
    source_groups: Tensor | None = None,
    target_groups: Tensor | None = None,
    on_route: Callable[[str, int], None] | None = None,
    on_report: OnReport | None = None,
) -> Comparison:
    """Train every route, choose one by what they say of the unlabelled target (`evidence.score`), repeat that one.

    Args:
        routes: by name; `source only` is put first where it is missing.
        source, target, task, budget: as in `Route.run`.
        test: real labelled data. It is scored beside the choice and never consulted for it.
        seeds: every route is trained with the first.
        repeat: which routes are trained with the other seeds too: source only and the chosen one, or all.
        then: called with the names of all routes, the best first by their label-free score; the routes it answers by
            name are trained too, before one is chosen: combinations of what was best alone.
        minutes: to spend by successive halving: the better half of the routes is trained longer, and the best one, with
            all seeds, longest. Without, every training takes the budget's steps.
        jobs: processes that train at once, the machine's threads shared among them. With more than one, a script
            must keep its own work under `if __name__ == "__main__"`.
        folder: to keep the plan and each finished training in; what it holds already is not trained again, and is
            refused where its data was another.
        source_groups, target_groups: (N,) int64, the person or video of each sample: kept whole in the held-out split,
            drawn whole in intervals.
        on_route: called with name and seed before each run.
        on_report: as in `Route.run`; with one job only.

    Raises:
        InputError: as `Route.run`; a folder of trainings on other data.
        TrainingDiverged: source only diverged; a route that diverges otherwise is left out, and listed.
    """
    if minutes is not None and not 0 < minutes < float("inf"):
        raise InputError(f"the budget is {minutes} minutes, expected a finite number above 0")
    if minutes is not None and then is not None:
        raise InputError("then= and minutes= exclude each other: halving drops routes of its own, found both")
    check_names(routes)
    named = {SOURCE_ONLY: Route(), **routes}
    with tempfile.TemporaryDirectory() as scratch:
        kept = folder or Path(scratch)
        evaluation = Evaluation(source, target, test, task, budget or Budget(), source_groups, target_groups)
        store = TrialStore(kept / TRIALS) if folder is not None or jobs > 1 else None
        if store is not None:
            store.check_same_data(evaluation)
        with Workers(evaluation, store, jobs) as workers:
            schedule = Schedule(evaluation, named, store, workers, on_route, on_report)
            plan = None if minutes is None else schedule.plan(minutes, seeds, kept / PLAN)
            schedule.rounds(plan, seeds, repeat, then)
            verdict = schedule.concluded()
    return Comparison(
        schedule.candidates,
        evaluation.task,
        target,
        test,
        verdict,
        plan,
        schedule.diverged,
        schedule.aggregates,
        target_groups=target_groups,
    )
