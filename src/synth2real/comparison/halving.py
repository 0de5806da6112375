"""Successive halving: all routes a little, the better half more, the best one long.

How long follows from a budget of minutes through the speed of each route, measured once. From then on everything is a
function of the plan: it is kept, so that a comparison that was broken off goes on as it would have.

References:
    Jamieson & Talwalkar (2016). Non-stochastic best arm identification and hyperparameter optimization. AISTATS.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from ..adapt import FeatureMapping, SourceOnly
from ..adapt.mappings.closed_form import ClosedForm
from ..calibrate import Calibrator
from ..data.domains import Labelled, Unlabelled
from ..route.route import Budget, Route
from ..simulate import Simulator
from ..tasks.base import Task
from ..training.mapping import Mapping as Refiner
from .evaluation import evenly

SHARES = {1: (0.94,), 2: (0.3, 0.64), 3: (0.17, 0.2, 0.57)}  # of the time, for each round; the rest is for measuring
ENOUGH = 300  # steps, below which a short training says little of a long one: self-training starts late
LEAST = 40  # steps, below which a training says nothing
FIRST, LATER = 2, 8  # steps timed: the difference is free of what is done once
REFINING = 6  # steps of a refiner that are timed
PROBE = 200  # samples of each domain that speed is measured on
SEARCHING, FEWEST = 0.1, 20  # share of the time for searching the simulator, and trials that it takes at least
BUSY = 0.85  # speed of a process beside others, as a share of its speed alone


@dataclass(frozen=True)
class Speed:
    """What a route costs on this machine.

    Args:
        fixed: seconds that every training takes once: rendering, refining all images, measuring.
        step: seconds a step of training.
        refine_step: seconds a step of the refiner.
        refine_steps: that the refiner takes by its own settings.
    """

    fixed: float
    step: float
    refine_step: float = 0.0
    refine_steps: int = 0

    def seconds(self, steps: int) -> float:
        """Of one training of so many steps."""
        return self.fixed + self.step * steps + self.refine_step * min(self.refine_steps, steps)


@dataclass(frozen=True)
class Plan:
    """How a comparison spends its time.

    Args:
        seconds: left for training when the plan was made.
        jobs: processes at once.
        most: steps beyond which a training is not taken.
        speeds: of each route.
        trials: that a search of the simulator takes at most; None for as many as it wants.
    """

    seconds: float
    jobs: int
    most: int
    speeds: dict[str, Speed]
    trials: int | None = None

    @property
    def sizes(self) -> list[int]:
        """Routes beside source only in each round."""
        others = len(self.speeds) - 1
        return [others] if others <= 1 else [others, 1] if others <= 3 else [others, (others + 1) // 2, 1]

    def steps(self, rung: int, trainings: Sequence[str]) -> int:
        """Steps that each training of a round may take.

        Args:
            rung: of the round, counted from 0.
            trainings: names of the routes, one for each seed.
        """
        seconds = self.seconds * SHARES[len(self.sizes)][rung]
        low, high = LEAST, max(LEAST, self.most)
        while low < high:
            middle = (low + high + 1) // 2
            if self.makespan([self.speeds[name].seconds(middle) for name in trainings]) <= seconds:
                low = middle
            else:
                high = middle - 1
        return low

    def affordable(self) -> Self:
        """The plan without the last of the routes, as many as it takes to give the others `ENOUGH` steps at first.

        Two beside source only are kept whatever the budget: else nothing is compared.
        """
        names = list(self.speeds)
        plan = self
        while len(names) > 3 and plan.steps(0, names) < min(ENOUGH, self.most):
            names.pop()
            plan = replace(self, speeds={name: self.speeds[name] for name in names})
        return plan

    def seeds(self, names: Sequence[str], wanted: Sequence[int]) -> Sequence[int]:
        """Seeds of the last round: fewer, but two of several, where all would have less than half of all steps."""
        for count in range(len(wanted), 2, -1):
            if 2 * self.steps(len(self.sizes) - 1, [*names] * count) >= self.most:
                return wanted[:count]
        return wanted[:2]

    def makespan(self, seconds: Sequence[float]) -> float:
        """When the last of `jobs` processes ends, each taking the longest training that is left."""
        ends = [0.0] * self.jobs
        for one in sorted(seconds, reverse=True):
            ends[ends.index(min(ends))] += one
        return max(ends) / (BUSY if self.jobs > 1 else 1.0)

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The counterpart of `plain`, from JSON."""
        kept = json.loads(path.read_text())
        return cls(**{**kept, "speeds": {name: Speed(**speed) for name, speed in kept["speeds"].items()}})


def affordable(search: Calibrator, simulator: Simulator, seconds: float) -> int:
    """Trials, as this search takes them, that fit in a tenth of the time, `FEWEST` at least."""
    start = time.perf_counter()
    simulator.sample(search.images, 0)
    return max(FEWEST, int(SEARCHING * seconds / (time.perf_counter() - start)))


def shortened(route: Route, steps: int | None) -> Route:
    """The route whose refiner takes no more steps than its training: each of its phases in proportion."""
    refiner = route.refine
    own = getattr(refiner, "all_steps", 0)
    if refiner is None or steps is None or own <= steps:
        return route
    named = [f.name for f in dataclasses.fields(refiner) if f.name in PHASES]  # type: ignore[arg-type]
    phases = {name: max(1, getattr(refiner, name) * steps // own) for name in named if getattr(refiner, name)}
    return replace(route, refine=replace(refiner, **phases))  # type: ignore[type-var]


def stepless(route: Route) -> bool:
    """Whether all that a route learns is in closed form, so that neither steps nor a seed change it."""
    adapt = route.adapt
    last = adapt.then if isinstance(adapt, FeatureMapping) else adapt
    return isinstance(last, ClosedForm) and getattr(adapt, "steps", 0) == 0


PHASES = ("steps", "pretrain_refiner", "pretrain_critic")  # settings of refiners that count steps


def measure(
    routes: Mapping[str, Route], source: Labelled, target: Unlabelled, task: Task, budget: Budget, fixed: float
) -> dict[str, Speed]:
    """The speed of each route, by a few steps on a few samples.

    Args:
        routes: without calibration and widening.
        source: what is trained on.
        fixed: seconds that any training takes once, beside refining.
    """
    few, some = source.subset(evenly(len(source), PROBE)), target.subset(evenly(len(target), PROBE))

    def timed(route: Route, steps: int) -> dict[str, float]:
        return route.run(few, some, task=task, budget=replace(budget, steps=steps)).seconds

    timed(Route(), 1)  # what is loaded and compiled once is no route's own
    trained: dict[str, tuple[float, float]] = {}  # seconds once, and a step; routes that train alike are timed once
    refined: dict[str, tuple[float, float]] = {}
    speeds = {}
    for name, route in routes.items():
        how = repr((route.randomize, route.adapt))
        if how not in trained:
            first, later = (timed(replace(route, refine=None), steps)["train"] for steps in (FIRST, LATER))
            step = max((later - first) / (LATER - FIRST), 1e-6)
            trained[how] = max(0.0, first - FIRST * step), step
        once, step = trained[how]
        if isinstance(route.adapt, FeatureMapping):  # costs more than in proportion to the samples
            whole = route.run(source, target, task=task, budget=replace(budget, steps=FIRST)).seconds
            once = whole["map"] + (whole["train"] if stepless(route) else once)
        own, how = _steps(route.refine), repr(route.refine)
        if how not in refined:
            quick = shortened(replace(route, randomize=None, adapt=SourceOnly()), REFINING)
            seconds = timed(quick, 1).get("refine", 0.0)
            # A closed form costs as many images as it maps; a trained one mostly its steps.
            refined[how] = (0.0, seconds / _steps(quick.refine)) if own else (seconds * len(source) / len(few), 0.0)
        refining, refine_step = refined[how]
        speeds[name] = Speed(fixed + once + refining, step, refine_step, own)
    return speeds


def _steps(refiner: Refiner | None) -> int:
    return int(getattr(refiner, "all_steps", 0))
