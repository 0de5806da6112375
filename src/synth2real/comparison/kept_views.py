"""Kept features of a comparison: one pass over all images before the first training, and as many views as time allows.

Every route with a frozen network then trains on its outputs, so ten routes cost little more than one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..data.domains import Labelled, evenly
from ..route.learner import VIEWS, keeps
from ..route.route import Route
from ..training.kept import FeatureStore
from ..training.model import Model
from .evaluation import Evaluation

SHARE = 0.35  # of the time of a comparison for the randomized views
PROBE = 64  # images of which the first pass is timed


def is_kept(route: Route, evaluation: Evaluation, source: Labelled) -> bool:
    """Whether the route trains on kept outputs of a frozen network."""
    settled = route.settled(len(source), evaluation.budget.hardware, evaluation.task)
    return keeps(settled.learner, source, evaluation.task)


def keep(
    routes: Sequence[Route], evaluation: Evaluation, source: Labelled, seconds: float, tell: Callable[[str], None]
) -> int | None:
    """Fill the store of the evaluation, and return the number of views; None if no route keeps features.

    Args:
        routes: without the stages calibrate, widen and refine.
        evaluation: its store is filled with the features of both domains.
        source: the training data.
        seconds: of the whole comparison.
        tell: called with what is timed, if there is such a route.
    """
    kept = [route for route in routes if is_kept(route, evaluation, source)]
    policies = {repr(route.randomize): route for route in kept}
    if not kept:
        return None
    tell("the frozen network, on each image")
    domains = (source, evaluation.target)
    randomized = [one for one in policies.values() if one.randomize is not None]
    views = 1
    if randomized:
        passes = (len(source) + len(evaluation.target)) * len(randomized) * _seconds(randomized[0], evaluation, source)
        views = max(1, min(VIEWS, int(SHARE * seconds / passes)))
    for route in policies.values():
        model = _model(route, evaluation, source)
        policy = None if route.randomize is None else route.randomize.settled(evaluation.task)
        for domain in domains:
            evaluation.store.views(model, domain.inputs, policy, views)
    return views


def with_views(route: Route, views: int | None) -> Route:
    """The route with this number of views of each image, if it names none."""
    return route if views is None or route.learner.views else route.with_learner(replace(route.learner, views=views))


def _model(route: Route, evaluation: Evaluation, source: Labelled) -> Model:
    hardware = evaluation.budget.hardware
    objective = route.prepare(source, evaluation.target, evaluation.task, 0, hardware)
    return objective.model.to(hardware.device)


def _seconds(route: Route, evaluation: Evaluation, source: Labelled) -> float:
    """Seconds to randomize an image and to pass it through the network."""
    some = source.inputs[evenly(len(source), PROBE)]
    model, policy = _model(route, evaluation, source), route.randomize
    assert policy is not None
    for _ in range(2):  # the first time is a warm-up
        start = time.perf_counter()
        FeatureStore().views(model, some, policy.settled(evaluation.task), 1)
    return (time.perf_counter() - start) / (2 * len(some))  # each image passes plain and randomized
