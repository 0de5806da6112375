"""Successive halving: train all routes for a few steps, the better half for more, and the best one longest.

The steps follow from a budget in minutes and the speed of each route, which is measured once. After that everything
depends only on the plan. The plan is saved, so an interrupted comparison continues as if it had not been interrupted.

References:
    Jamieson & Talwalkar (2016). Non-stochastic best arm identification and hyperparameter optimization. AISTATS.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from ..adapt import FeatureMapping
from ..adapt.mappings.closed_form import ClosedForm
from ..calibrate import Calibrator
from ..data.domains import Labelled, Unlabelled, evenly
from ..errors import InputError
from ..refine.base import TrainedMapping
from ..route.learner import keeps
from ..route.route import Route, refine_all
from ..route.run import Budget, loop_of
from ..simulate import Simulator
from ..tasks.base import Task
from ..training.kept import FeatureStore
from ..training.loop import Loop
from ..training.mapping import Mapping as Refiner

SHARES = {1: (0.94,), 2: (0.42, 0.52)}  # share of the time of each round; the rest is for measuring
FINALISTS = 2  # routes of the last of two rounds, besides the baselines
ENOUGH = 300  # a training with fewer steps is a weak indicator of a long one, because self-training starts late
LEAST = 40  # a training with fewer steps gives no useful score
FEWEST_ROUTES, OVERRUN = 3, 3.0  # routes that are measured in any case, and how far that may exceed its time
FIRST, LATER = 2, 8  # timed steps: their difference does not include costs that occur once
REFINING = 6  # timed steps of a refiner
PROBE = 200  # samples of each domain on which speed is measured
SEARCHING, FEWEST = 0.1, 20  # share of the time for the search of the simulator's ranges, and its fewest trials
BUSY = 0.85  # speed of a process when others run at the same time, relative to its speed alone


@dataclass(frozen=True)
class Speed:
    """Cost of a route on this machine.

    Args:
        fixed: seconds that every training takes once: rendering, refining all images, measuring.
        step: seconds of one training step.
        refine_step: seconds of one step of the refiner.
        refine_steps: number of steps in the refiner's own settings.
    """

    fixed: float
    step: float
    refine_step: float = 0.0
    refine_steps: int = 0

    def seconds(self, steps: int) -> float:
        """Seconds of one training with this number of steps."""
        return self.fixed + self.step * steps + self.refine_step * min(self.refine_steps, steps)


@dataclass(frozen=True)
class Plan:
    """How a comparison spends its time.

    Args:
        seconds: left for training when the plan was made.
        jobs: processes at the same time.
        most: most steps of one training.
        speeds: of each route, by name.
        trials: most trials of a search of the simulator's ranges; None for the number in its own settings.
        pinned: names of the baselines, which take part in every round.
        views: randomized views of each image, for the routes with a frozen network; None if there is none.
    """

    seconds: float
    jobs: int
    most: int
    speeds: dict[str, Speed]
    trials: int | None = None
    pinned: tuple[str, ...] = ()
    views: int | None = None

    @property
    def sizes(self) -> list[int]:
        """Number of routes in each round, without the baselines.

        Every training is a whole one, with its own schedule of the learning rate. A few routes are trained once, as
        long as the time allows. More routes have a first round; it takes less than half of the time, because a route
        that starts slowly is not judged fairly by a short training.
        """
        others = len([name for name in self.speeds if name not in self.pinned])
        return [others] if others <= FINALISTS + 1 else [others, FINALISTS]

    def steps(self, rung: int, trainings: Sequence[str]) -> int:
        """Steps for each training of a round.

        Args:
            rung: number of the round, counted from 0.
            trainings: name of the route of each training; a route occurs once for each seed.
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
        """The plan without the last routes, so that the others get `ENOUGH` steps in the first round.

        Three routes are always kept, with the baselines among them; otherwise there is nothing to compare.
        """
        names = list(self.speeds)
        plan = self
        while len(names) > 3 and plan.steps(0, names) < min(ENOUGH, self.most):
            names.remove(next(name for name in reversed(names) if name not in self.pinned))
            plan = replace(self, speeds={name: self.speeds[name] for name in names})
        return plan

    def expected(self, wanted: Sequence[int]) -> float:
        """Seconds of all rounds, if the slowest routes are the finalists. `wanted` are the seeds of the last round."""
        slowest = sorted(self.speeds, key=lambda name: self.speeds[name].seconds(ENOUGH), reverse=True)
        finalists = [*self.pinned, *[name for name in slowest if name not in self.pinned][:FINALISTS]]
        rounds = [list(self.speeds), finalists][: len(self.sizes)]
        total = 0.0
        for rung, names in enumerate(rounds):
            last = rung == len(rounds) - 1
            trainings = [*names] * len(self.seeds(names, wanted)) if last else names
            steps = self.steps(rung, trainings)
            total += self.makespan([self.speeds[name].seconds(steps) for name in trainings])
        return total

    def seeds(self, names: Sequence[str], wanted: Sequence[int]) -> Sequence[int]:
        """Seeds of the last round: as many as leave each training `most` steps, or one."""
        for count in range(len(wanted), 1, -1):
            if self.steps(len(self.sizes) - 1, [*names] * count) >= self.most:
                return wanted[:count]
        return wanted[:1]

    def shortage(self, steps: int | None, routes: int) -> str:
        """A sentence if the trainings of the last round were too short to choose by, with the minutes that would do.

        It is empty otherwise.

        Args:
            steps: of each training.
            routes: number of trained routes.
        """
        enough = min(ENOUGH, self.most)
        if steps is None or steps >= enough:
            return ""
        seconds = self.makespan([self.speeds[name].seconds(enough) for name in self.speeds])
        minutes = math.ceil(10 * seconds / SHARES[len(self.sizes)][0] / 60) / 10
        return (
            f"the budget is too short to choose well: {routes} routes were trained for {steps} steps each, and "
            f"{enough} or more are expected. About {minutes:g} minutes would do"
        )

    def makespan(self, seconds: Sequence[float]) -> float:
        """Seconds until the last of `jobs` processes ends, if each always takes the longest training that is left."""
        ends = [0.0] * self.jobs
        for one in sorted(seconds, reverse=True):
            ends[ends.index(min(ends))] += one
        return max(ends) / (BUSY if self.jobs > 1 else 1.0)

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a plan from JSON, as `plain` returns it. Raise `InputError` if the file is damaged."""
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            speeds = {name: Speed(**speed) for name, speed in kept["speeds"].items()}
            return cls(**{**kept, "speeds": speeds, "pinned": tuple(kept.get("pinned", ()))})
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError(
                f"{path}: is damaged. Delete it: the same command with --resume then makes a new plan"
            ) from None


def affordable(search: Calibrator, simulator: Simulator, seconds: float) -> int:
    """Number of trials of this search that fit in a tenth of the time, at least `FEWEST`."""
    start = time.perf_counter()
    simulator.sample(search.images, 0)
    return max(FEWEST, int(SEARCHING * seconds / (time.perf_counter() - start)))


def shortened(route: Route, steps: int | None) -> Route:
    """The route with a refiner that takes at most `steps` steps; all its phases are shortened in proportion."""
    refiner = route.refine
    if not isinstance(refiner, TrainedMapping) or steps is None or refiner.all_steps <= steps:
        return route
    return replace(route, refine=refiner.lasting(steps))


def stepless(route: Route) -> bool:
    """Whether the route has a closed-form solution, so that neither steps nor a seed change its result."""
    adapt = route.adapt
    last = adapt.then if isinstance(adapt, FeatureMapping) else adapt
    return isinstance(last, ClosedForm) and getattr(adapt, "steps", 0) == 0


def measure(
    routes: Mapping[str, Route],
    source: Labelled,
    target: Unlabelled,
    task: Task,
    budget: Budget,
    fixed: float,
    *,
    seconds: float = math.inf,
    on_route: Callable[[str], None] | None = None,
    store: FeatureStore | None = None,
) -> dict[str, Speed]:
    """The speed of each route, measured with a few steps on a few samples.

    Args:
        routes: without the stages calibrate and widen.
        source: the training data.
        target, task, budget: as in `Route.run`.
        fixed: seconds that every training takes once, without refining.
        seconds: that measuring should take. Slow routes are timed with fewer steps. After `OVERRUN` times as many
            seconds the last routes are left out, since there is no time to train them either.
        on_route: called with the name of each route before it is measured.
        store: of the outputs of frozen feature extractors; images in it cost no time.
    """
    few, some = source.subset(evenly(len(source), PROBE)), target.subset(evenly(len(target), PROBE))
    store = store or FeatureStore()
    began = time.perf_counter()
    trained: dict[str, tuple[float, float]] = {}  # fixed seconds, and seconds per step; equal trainings are timed once
    refined: dict[str, tuple[float, float]] = {}
    speeds: dict[str, Speed] = {}
    for name, route in routes.items():
        if len(speeds) >= FEWEST_ROUTES and time.perf_counter() - began > OVERRUN * seconds:
            break
        if on_route is not None:
            on_route(name)
        settings = repr((route.randomize, route.adapt))
        if settings not in trained:
            trained[settings] = _training(route, few, some, task, budget, seconds / len(routes), store)
        once, step = trained[settings]
        if isinstance(route.adapt, FeatureMapping):  # its cost grows faster than the number of samples
            whole = route.run(source, target, task=task, budget=replace(budget, steps=FIRST)).seconds
            once = whole["map"] + (whole["train"] if stepless(route) else once)
        own, settings = _steps(route.refine), repr(route.refine)
        if settings not in refined:
            refined[settings] = refining(route.refine, few, some, loop_of(budget, few, some, task), len(source))
        once_more, refine_step = refined[settings]
        speeds[name] = Speed(fixed + once + once_more, step, refine_step, own)
    return speeds


def _training(
    route: Route,
    few: Labelled,
    some: Unlabelled,
    task: Task,
    budget: Budget,
    patience: float,
    store: FeatureStore,
) -> tuple[float, float]:
    """`timed_steps` of a route without its refiner."""
    alone = replace(route, refine=None)

    def run(steps: int, on_step: Callable[..., None]) -> None:
        alone.run(few, some, task=task, budget=replace(budget, steps=steps), on_step=on_step, store=store)

    if keeps(alone.settled(len(few), budget.hardware, task).learner, few, task):
        run(1, lambda *_: None)  # the images pass the frozen network, once for all routes
    return timed_steps(run, patience)


def timed_steps(run: Callable[[int, Callable[..., None]], Any], patience: float = math.inf) -> tuple[float, float]:
    """Seconds that a training takes once, and seconds of one of its steps.

    Two trainings of a few steps are compared, so that costs that occur once are in no step. If the first one has
    already taken `patience` seconds, its last step is taken alone.

    Args:
        run: trains for a number of steps, and calls its second argument after each of them.
        patience: seconds.
    """
    ends: list[float] = []

    def seconds(steps: int) -> float:
        began = time.perf_counter()
        ends.clear()
        run(steps, lambda *_: ends.append(time.perf_counter()))
        return time.perf_counter() - began

    first = seconds(FIRST)
    if first > patience and len(ends) >= FIRST:
        step = ends[-1] - ends[-2]
    else:
        step = (seconds(LATER) - first) / (LATER - FIRST)
    step = max(step, 1e-6)
    return max(0.0, first - FIRST * step), step


def refining(refiner: Refiner | None, few: Labelled, some: Unlabelled, loop: Loop, count: int) -> tuple[float, float]:
    """Seconds that a refiner takes once, to refine `count` images, and seconds of one of its steps.

    Args:
        refiner: the method; None takes no time.
        few, some: samples of source and target on which it is timed.
        loop: seed, batch and hardware; one step of it is timed.
        count: images of the source.
    """
    if refiner is None:
        return 0.0, 0.0
    quick = copy.copy(
        refiner.lasting(min(REFINING, refiner.all_steps)) if isinstance(refiner, TrainedMapping) else refiner
    )
    began = time.perf_counter()
    quick.fit(few, some, replace(loop, steps=1))
    learnt = time.perf_counter() - began
    applied = applying(quick, few, count)
    # The cost of a closed form is proportional to the images; that of a trained refiner to its steps.
    own = _steps(quick)
    return (applied, learnt / own) if own else (applied + learnt * count / len(few), 0.0)


def applying(refiner: Refiner, few: Labelled, count: int) -> float:
    """Seconds to refine `count` images by a trained refiner, timed on a few."""
    began = time.perf_counter()
    refine_all(refiner, few)
    return (time.perf_counter() - began) * count / len(few)


def step_seconds(route: Route, source: Labelled, target: Unlabelled, task: Task, budget: Budget) -> float:
    """Seconds of one training step of a route, timed on a few samples after a first step that prepares it.

    Args:
        route: without the stages calibrate, widen and refine.
        source, target, task, budget: as in `Route.run`.
    """
    few, some = source.subset(evenly(len(source), PROBE)), target.subset(evenly(len(target), PROBE))
    return _training(route, few, some, task, budget, 0.0, FeatureStore())[1]


def _steps(refiner: Refiner | None) -> int:
    return int(getattr(refiner, "all_steps", 0))
