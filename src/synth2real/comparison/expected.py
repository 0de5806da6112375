"""How long a route, a search of a simulator's ranges or a refiner takes on this machine, from a few of its steps."""

from __future__ import annotations

import time
from dataclasses import replace

from ..calibrate import Calibrator
from ..calibrate.sequential_rounds import Rounds
from ..data.domains import Labelled, Unlabelled, evenly
from ..route.route import Budget, Route
from ..simulate import Simulator
from ..tasks import Task
from .halving import PROBE, measure

TRIALS = 4  # timed trials of a search


def route_seconds(
    route: Route, source: Labelled | Simulator, target: Unlabelled, task: Task, budget: Budget
) -> tuple[float, float]:
    """Seconds that a route takes, without its training steps, and seconds of one of these.

    Args:
        route, source, target, task, budget: as in `Route.run`. The stage widen is taken to cost nothing.
    """
    before, rendered = 0.0, source
    if not isinstance(source, Labelled):
        if route.calibrate is not None:
            before = search_seconds(route.calibrate, source, target)
        rendered, each = rendering(source, budget, target.given_columns)
        before += each * budget.n
    assert isinstance(rendered, Labelled)
    few, some = rendered.subset(evenly(len(rendered), PROBE)), target.subset(evenly(len(target), PROBE))
    Route().run(few, some, task=task, budget=replace(budget, steps=1))  # loading and compiling happen once
    alone = replace(route, calibrate=None, widen=None)
    speed = measure({"it": alone}, rendered, target, task, budget, before)["it"]
    return speed.fixed + speed.refine_step * speed.refine_steps, speed.step


def rendering(simulator: Simulator, budget: Budget, given: tuple[str, ...] = ()) -> tuple[Labelled, float]:
    """A few rendered images, and the seconds that one takes."""
    began = time.perf_counter()
    made = simulator.labelled(min(PROBE, budget.n), budget.seed, given=given)
    return made, (time.perf_counter() - began) / len(made)


def search_seconds(search: Calibrator, simulator: Simulator, target: Unlabelled) -> float:
    """Seconds of a search of the simulator's ranges: most of it is in proportion to the images that it renders."""
    few = replace(search, trials=min(TRIALS, search.trials))
    began = time.perf_counter()
    few.fit(simulator, target)
    return (time.perf_counter() - began) * _images(search) / _images(few)


def _images(search: Calibrator) -> int:
    return search.rounds * search.rendered if isinstance(search, Rounds) else search.trials * search.images
