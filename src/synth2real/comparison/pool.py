"""The routes of a comparison as one pool: an estimate for each on real data, and aggregates of all routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..data.domains import Labelled
from ..errors import InputError
from ..select.aggregate import METHODS, aggregate, serving
from ..select.estimates import Estimate, errors_on_source, estimate
from ..select.validators import Candidate, Pool, head_of, labels_of, observe
from ..tasks import Classification, Detection
from ..training.kept import shared_store
from ..training.model import Model
from .candidates import RouteCandidate
from .evaluation import Evaluation, some

MAJORITY = 3  # fewest members of an aggregate: the median of two values is just the lower one
WEIGHED = 20  # fewest samples of each domain for importance weights


def pool_of(routes: Sequence[RouteCandidate], evaluation: Evaluation, *, probed: bool = False) -> Pool:
    """Outputs of the first model of each route on the held-out source and on at most 1,000 target samples.

    `probed` as in `observe`.
    """
    target = some(evaluation.target)
    seen = [
        observe(trial.run.model, evaluation.held, target, name=route.name, seed=trial.seed, probed=probed)
        for route, trial in ((route, route.trials[0]) for route in routes)
    ]
    labels = labels_of(evaluation.held, evaluation.task)
    return Pool(
        seen, evaluation.task, labels, source_groups=evaluation.held_groups, target_groups=evaluation.seen_groups
    )


def estimated(pool: Pool, index: int, on_source: float) -> Estimate:
    """Estimate of the task's metric on the target for one candidate.

    Classes: agreement rates. Masks: mask agreement. Boxes: box agreement. Values: calibrated disagreement.
    For measurements see docs/validators.md.

    Args:
        on_source: the metric on the held-out source; the estimate has the same unit.

    Raises:
        NoEstimate: the pool does not determine it.
    """
    if isinstance(pool.task, Classification):
        return estimate("agreement-rates", pool, index)
    if pool.task.dense:
        return estimate("box-agreement" if isinstance(pool.task, Detection) else "mask-agreement", pool, index)
    found, own = estimate("calibrated-disagreement", pool, index), float(errors_on_source(pool, index).mean())
    unit = on_source / own if own > 0 else 1.0
    return Estimate(unit * found.value, unit * found.low, unit * found.high)


@dataclass(frozen=True)
class Aggregate:
    """Several trained routes combined into one model; shown with the routes, but never chosen.

    It has no label-free score and no estimate, because none is valid for it:

    - Agreement compares each route with the ensemble of all routes. `ensemble` would be compared with itself.
    - `iwa` is fitted to the importance-weighted error that would also score it.
    - Estimates assume models that were trained separately. An ensemble agrees with its members because it consists of
      them, so its estimate would be too high.

    Use it only if you accept its assumption (see `aggregate`). A prediction costs as much as one of each member.

    Args:
        name: name of the aggregate, one of `aggregate.METHODS`.
        model: predicts, evaluates, saves and loads like any model; it shares its members with the routes.
        members: names of the member routes; the model of the first seed of each route is used.
        source_metrics, test_metrics: metrics on the held-out source and on the test data, as for a route.
        seeds: training seeds of the members.
        seconds: training time of all members in seconds.
    """

    name: str
    model: Model
    members: tuple[str, ...]
    source_metrics: dict[str, Any]
    test_metrics: dict[str, Any] | None
    seeds: tuple[int, ...]
    seconds: float

    def row(self, metric: str) -> dict[str, Any]:
        """The aggregate in the form of a row of `Comparison.rows`."""
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
    """Raise `InputError` if a route has the name of an aggregate."""
    taken = next((name for name in names if name in METHODS), None)
    if taken is not None:
        raise InputError(f"a route is named '{taken}', which is the name of an aggregate. Give it another name")


def aggregates(routes: Sequence[RouteCandidate], pool: Pool, evaluation: Evaluation) -> list[Aggregate]:
    """Every aggregate of the routes; empty if there are fewer than three routes.

    Nothing is trained. A route with a feature map in front of its model is left out, because an ensemble cannot store
    the map, and so is one whose model has sets of boxes, which have no mean.

    Args:
        routes: trained routes.
        pool: outputs of the same routes, in the same order.
    """
    models = [route.trials[0].run.model for route in routes]
    taken = [i for i, model in enumerate(models) if model.map is None and not model.has_sets]
    if len(taken) < MAJORITY:
        return []
    return list(_aggregates([routes[i] for i in taken], [pool.candidates[i] for i in taken], pool, evaluation))


def _aggregates(
    routes: Sequence[RouteCandidate], candidates: Sequence[Candidate], pool: Pool, evaluation: Evaluation
) -> Iterator[Aggregate]:
    models, own = [route.trials[0].run.model for route in routes], replace(pool, candidates=candidates)
    few = min(len(candidates[0].source), len(candidates[0].target)) < WEIGHED
    source_features = torch.cat([candidate.source_features for candidate in candidates], 1)
    test_features: Tensor | None = None  # the same for every aggregate
    for name in serving(evaluation.task):
        if name == "iwa" and few:
            continue
        model = aggregate(name, models, own).eval()
        model.store = shared_store(models)
        source_metrics, test_metrics = _metrics(model, source_features, evaluation.held), None
        if evaluation.test is not None:
            if test_features is None and not model.task.dense:
                test_features = model.embed(model.inputs_of(evaluation.test, "the test data"))
            test_metrics = _metrics(model, test_features, evaluation.test)
        yield Aggregate(
            name=name,
            model=model,
            members=tuple(route.name for route in routes),
            source_metrics=source_metrics,
            test_metrics=test_metrics,
            seeds=tuple(sorted({route.trials[0].seed for route in routes})),
            seconds=sum(route.spent for route in routes),
        )


def _metrics(model: Model, features: Tensor | None, data: Labelled) -> dict[str, Any]:
    """The task's metrics, computed from the features of labelled data; of a dense task, from the images again."""
    task = model.task
    if features is None or task.dense:
        return model.evaluate(data)
    values = task.from_input(task.predict(head_of(model, features)), data.fitting)
    return task.metrics(values, task.align(data))
