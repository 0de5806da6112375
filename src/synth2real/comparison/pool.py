"""The routes of a comparison as one pool: what each is estimated to reach on real data, and all of them as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..data.domains import Labelled
from ..errors import InputError
from ..select.aggregate import METHODS, aggregate
from ..select.estimates import APART, RATED, Estimate, errors_on_source, estimate
from ..select.validators import Candidate, Pool, head_of, labels_of, observe
from ..tasks import Classification
from ..training.model import Model
from .candidates import RouteCandidate
from .evaluation import Evaluation, some

MAJORITY = 3  # members of an aggregate at least: of two values the median is the lower one
WEIGHED = 20  # samples of each domain that importance weights need at least


def pool_of(routes: Sequence[RouteCandidate], evaluation: Evaluation) -> Pool:
    """What the first model of each route says of the held source, and of at most 1,000 samples of the target."""
    target = some(evaluation.target)
    seen = [
        observe(trial.run.model, evaluation.held, target, name=route.name, seed=trial.seed, probed=False)
        for route, trial in ((route, route.trials[0]) for route in routes)
    ]
    labels = labels_of(evaluation.held, evaluation.task)
    return Pool(
        seen, evaluation.task, labels, source_groups=evaluation.held_groups, target_groups=evaluation.seen_groups
    )


def estimated(pool: Pool, index: int, on_source: float) -> Estimate | None:
    """The task's metric that one of the candidates is likely to reach on the target; None for values of one alone.

    Classes: by agreement rates, or by transport where there are too few candidates for them. Values: calibrated
    disagreement. Measured: see docs/validators.md.

    Args:
        on_source: the metric on the held source, in whose units the estimate is given.
    """
    if isinstance(pool.task, Classification):
        return estimate("agreement-rates" if len(pool.candidates) >= RATED else "cot", pool, index)
    if len(pool.candidates) < APART:
        return None
    found, own = estimate("calibrated-disagreement", pool, index), float(errors_on_source(pool, index).mean())
    unit = on_source / own if own > 0 else 1.0
    return Estimate(unit * found.value, unit * found.low, unit * found.high)


@dataclass(frozen=True)
class Aggregate:
    """Many trained routes as one model, shown beside them and never chosen.

    No label-free score here judges it soundly. Agreement holds each route against all of them together, which is what
    `ensemble` is: it would agree with itself. `iwa` is fitted to the importance-weighted error that would judge it. And
    estimates carry over what is true of models that were trained apart: of an ensemble, which agrees with its members
    because it is made of them, they say too much. So it has neither, and whoever takes it takes it for its assumption
    (see `aggregate`). It also costs as much to predict by as all its members.

    Args:
        name: of `aggregate.METHODS`.
        model: predicts, evaluates, saves and loads as any; it shares its members with the routes.
        members: names of the routes, each by its first seed.
        source_metrics, test_metrics: as of a route.
        seeds: of its members' trainings.
        seconds: of all its members' trainings.
    """

    name: str
    model: Model
    members: tuple[str, ...]
    source_metrics: dict[str, Any]
    test_metrics: dict[str, Any] | None
    seeds: tuple[int, ...]
    seconds: float

    def row(self, metric: str) -> dict[str, Any]:
        """As a row of `Comparison.rows`."""
        return {
            "name": self.name,
            f"{metric}_mean": None if self.test_metrics is None else self.test_metrics[metric],
            f"{metric}_std": None,
            "score_label_free": None,
            "estimate": None,
            "interval": None,
            f"source_{metric}": self.source_metrics[metric],
            "gap_before": None,
            "gap_after": None,
            "label_kept": None,
            "seconds": self.seconds,
            "seeds": list(self.seeds),
            "chosen": False,
        }


def check_names(names: Iterable[str]) -> None:
    """Raise `InputError` where a route is named as an aggregate."""
    taken = next((name for name in names if name in METHODS), None)
    if taken is not None:
        raise InputError(f"a route is named '{taken}', which stands for all routes as one. Give it another name")


def aggregates(routes: Sequence[RouteCandidate], pool: Pool, evaluation: Evaluation) -> list[Aggregate]:
    """Every aggregate of the routes; none where they are fewer than three.

    Nothing is trained. Routes whose model stands behind a map of features are left out, as an ensemble cannot keep it.

    Args:
        entries: of the routes.
        pool: of the same, in their order.
    """
    taken = [i for i, route in enumerate(routes) if route.trials[0].run.model.map is None]
    if len(taken) < MAJORITY:
        return []
    return list(_aggregates([routes[i] for i in taken], [pool.candidates[i] for i in taken], pool, evaluation))


def _aggregates(
    routes: Sequence[RouteCandidate], candidates: Sequence[Candidate], pool: Pool, evaluation: Evaluation
) -> Iterator[Aggregate]:
    models, own = [route.trials[0].run.model for route in routes], replace(pool, candidates=candidates)
    few = min(len(candidates[0].source), len(candidates[0].target)) < WEIGHED
    held = torch.cat([candidate.source_features for candidate in candidates], 1)
    said: Tensor | None = None  # features of the test, the same for every aggregate
    for name in METHODS:
        if name == "iwa" and few:
            continue
        model = aggregate(name, models, own).eval()
        if said is None and evaluation.test is not None:
            said = model.embed(evaluation.test.inputs)
        yield Aggregate(
            name=name,
            model=model,
            members=tuple(route.name for route in routes),
            source_metrics=_metrics(model, held, evaluation.held),
            test_metrics=None if said is None or evaluation.test is None else _metrics(model, said, evaluation.test),
            seeds=tuple(sorted({route.trials[0].seed for route in routes})),
            seconds=sum(route.spent for route in routes),
        )


def _metrics(model: Model, features: Tensor, data: Labelled) -> dict[str, Any]:
    """The task's metrics from the features of labelled data."""
    task = model.task
    values = task.from_input(task.predict(head_of(model, features)), data.sizes, model.shape[1:])
    return task.metrics(values, task.align(data) if isinstance(task, Classification) else data.labels)
