"""Schedule of a comparison: which routes are trained, in which order, and which route is chosen."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..calibrate import Calibration
from ..data.domains import Labelled, evenly
from ..errors import TrainingDiverged
from ..route.route import OnReport, Route
from ..route.run import default_steps
from ..select.validators import Validator
from ..simulate import Simulator
from ..storage import make_folder, write_text
from ..training.model import Model
from .candidates import SOURCE_ONLY, RouteCandidate
from .choice import Chooser, verdict
from .evaluation import SHOWN, Evaluation, TrainingJob, some
from .halving import ENOUGH, PROBE, SEARCHING, Plan, Speed, affordable, measure, shortened, stepless
from .kept_views import is_kept, keep, with_views
from .pool import Aggregate, aggregates
from .trials import TrialStore
from .workers import Workers

MEASURING = 0.06  # share of the time in which the speed of the routes is measured
SCORED, VALUES = 32, 2**21  # least target samples on which the scores are timed, and most values of more samples
CONCLUDING = 2  # a training is measured after it, and once more for the aggregates and the report

Then = Callable[[Sequence[str]], Mapping[str, Route]]
OnPlan = Callable[[Plan, float], None]


@dataclass(frozen=True)
class Listeners:
    """What is called during a comparison, see `compare`."""

    on_route: Callable[[str, int], None] | None = None
    on_report: OnReport | None = None
    on_timing: Callable[[str], None] | None = None
    on_plan: OnPlan | None = None


class Schedule:
    """Runs one comparison and keeps its state.

    Args:
        evaluation: data, task and budget.
        routes: by name; the first is source only.
        baseline: name of the route that the others are compared with.
        store: of finished trials; None if they are not kept.
        workers: run the trainings.
        heard: called during the comparison.
        validator: as in `compare`.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        routes: Mapping[str, Route],
        baseline: str,
        store: TrialStore | None,
        workers: Workers,
        heard: Listeners,
        validator: Validator | None = None,
    ) -> None:
        self.evaluation, self.store, self.workers, self.heard = evaluation, store, workers, heard
        self.chooser = Chooser(evaluation, baseline, validator)
        self.steps: int | None = evaluation.budget.steps  # of each training of the last round
        self.started = time.perf_counter()
        self.candidates = [RouteCandidate(name, route) for name, route in routes.items()]
        self.places = {name: i for i, name in enumerate(routes)}
        self.aggregates: list[Aggregate] = []
        self.diverged: dict[str, str] = {}
        self.short = ""
        self.gap_before: tuple[Model | None, float] = (None, float("nan"))  # with the first model of source only
        self.simulators: dict[str, tuple[Simulator | None, Calibration | None, float]] = {}

    def rounds(self, plan: Plan | None, seeds: Sequence[int], repeat: str, then: Then | None = None) -> None:
        """Run all trainings: every route, then fewer routes for more steps, finally the best ones with every seed."""
        if plan is None:
            self.whole(seeds, repeat, then)
            return
        left = self.candidates
        for rung, size in enumerate(plan.sizes):
            last = rung == len(plan.sizes) - 1
            if rung:
                others = self.chooser.best([one for one in left if one.name not in plan.pinned], size, among=left)
                left = [one for one in left if one.name in plan.pinned or one in others]
            for candidate in left:
                candidate.round = rung
                candidate.trials = candidate.trials if stepless(candidate.route) else []
            each = plan.seeds([candidate.name for candidate in left], seeds) if last else seeds[:1]
            wanted = [(candidate, seed) for candidate in left for seed in missing(candidate, each)]
            self.steps = plan.steps(rung, [candidate.name for candidate, _ in wanted])
            self.train(wanted, self.steps)
            left = [candidate for candidate in left if candidate.trials]

    def whole(self, seeds: Sequence[int], repeat: str, then: Then | None) -> None:
        """Train every route for the budget's steps, then the chosen one and the baselines with the other seeds."""
        steps = self.evaluation.budget.steps
        self.train([(candidate, seeds[0]) for candidate in self.candidates], steps)
        more: list[RouteCandidate] = []
        if then is not None:
            best = self.chooser.best(self.candidates, len(self.candidates))
            more = self.add(then([candidate.name for candidate in best]))
        pinned = [one for one in self.candidates if one.name in (SOURCE_ONLY, self.chooser.baseline)]
        # The baselines are repeated in any case, together with the new routes, so that no worker waits.
        repeated = [(one, seed) for one in pinned for seed in missing(one, seeds[1:])]
        self.train([*((candidate, seeds[0]) for candidate in more), *repeated], steps)
        chosen = self.chooser.choose(self.candidates).route
        again = [one for one in self.candidates if one not in pinned and (repeat == "all" or one is chosen)]
        self.train([(candidate, seed) for candidate in again for seed in missing(candidate, seeds[1:])], steps)

    def add(self, routes: Mapping[str, Route]) -> list[RouteCandidate]:
        """Add routes to the comparison."""
        more = [RouteCandidate(name, route) for name, route in routes.items()]
        self.candidates += more
        self.places |= {candidate.name: i for i, candidate in enumerate(more, start=len(self.places))}
        return more

    def train(self, wanted: Sequence[tuple[RouteCandidate, int]], steps: int | None) -> None:
        """Train each pair of route and seed, unless its trial is stored."""
        trainings = [self.training(candidate, seed, steps) for candidate, seed in wanted]
        trials = self.workers.run(trainings, self.heard.on_route, self.heard.on_report)
        for (candidate, _), trial in zip(wanted, trials, strict=True):
            if isinstance(trial, TrainingDiverged):
                if candidate.name == SOURCE_ONLY:
                    raise trial
                self.diverged[candidate.name] = str(trial)
                continue
            candidate.trials.append(trial)
            candidate.spent += trial.seconds
        self.candidates = [candidate for candidate in self.candidates if candidate.trials]
        for candidate in self.candidates:
            self.diverged.pop(candidate.name, None)  # one seed diverged, but another finished
        self.compared_with_source_only()

    def compared_with_source_only(self) -> None:
        """Set `gap_before` and `label_kept` of all trials, measured with the first model of source only."""
        model = self.candidates[0].trials[0].run.model
        if self.gap_before[0] is not model:
            self.gap_before = (model, self.evaluation.gap(model, self.evaluation.whole_source))
        for candidate in self.candidates:
            for i, trial in enumerate(candidate.trials):
                if trial.gap_before == self.gap_before[1]:
                    continue
                kept = None
                if trial.run.refined is not None and self.evaluation.task.higher_is_better:
                    kept = float(model.evaluate(some(trial.run.trained_on))[self.evaluation.task.metric])
                candidate.trials[i] = replace(trial, gap_before=self.gap_before[1], label_kept=kept)

    def training(self, candidate: RouteCandidate, seed: int, steps: int | None) -> TrainingJob:
        """The training of a route with one seed; calibrates and widens its simulator if this was not done before."""
        simulator, calibration, spent = self.simulator(candidate.route)
        steps = None if stepless(candidate.route) else steps
        route = shortened(replace(candidate.route, calibrate=None, widen=None), steps)
        words = re.sub(r"[^a-z0-9]+", "-", candidate.name.lower()).strip("-")[:40]
        key = f"{self.places[candidate.name]:02d}-{words}-steps-{steps or 'default'}-seed-{seed}"
        return TrainingJob(candidate.name, key, route, seed, steps, simulator, calibration, spent)

    def simulator(self, route: Route) -> tuple[Simulator | None, Calibration | None, float]:
        """The route's simulator, its calibration and the seconds; computed once for routes with the same settings."""
        evaluation = self.evaluation
        if isinstance(evaluation.source, Labelled):
            route.simulator(evaluation.source, evaluation.target)  # raises if the route would change a simulator
            return None, None, 0.0
        key = repr((route.calibrate, route.widen))
        if key not in self.simulators:
            place = f"simulator-{len(self.simulators)}"
            found = self.store.search(place, evaluation.source) if self.store is not None else None
            if found is None:
                start = time.perf_counter()
                simulator, calibration = route.simulator(
                    evaluation.source, evaluation.target, evaluation.task, evaluation.budget
                )
                found = simulator or evaluation.source, calibration, time.perf_counter() - start
                if self.store is not None:
                    self.store.keep_search(place, *found)
            self.simulators[key] = (found[0], found[1], found[2] if route.calibrate or route.widen else 0.0)
        return self.simulators[key]

    def plan(self, minutes: float, seeds: Sequence[int], path: Path | None) -> Plan:
        """The stored plan, or a new one from the speed of each route on this machine.

        Without a path it is not stored, and the searches of a simulator's ranges are only counted.
        """
        if path is not None and path.is_file():
            plan = Plan.read(path)
            self.shorten_searches(plan.trials)
            self.draw_from(plan.views)
            self.leave_out(plan)
            return plan
        evaluation, source = self.evaluation, self.evaluation.source
        searches = [candidate.route.calibrate for candidate in self.candidates if candidate.route.calibrate is not None]
        trials = None
        if searches and not isinstance(source, Labelled):
            trials = affordable(searches[0], source, 60 * minutes)
            self.shorten_searches(trials)
        searched = self.candidates if path is not None else self.candidates[:1]
        simulators = [self.simulator(candidate.route)[0] for candidate in searched]
        rendered, rendering = evaluation.rendered(simulators[0], seeds[0])
        routes = {candidate.name: replace(candidate.route, calibrate=None, widen=None) for candidate in self.candidates}
        pinned = tuple(one.name for one in self.candidates if one.name in (SOURCE_ONLY, self.chooser.baseline))
        ordered = {name: routes[name] for name in (*pinned, *(name for name in routes if name not in pinned))}
        views, speeds = self.speeds(ordered, rendered, rendering, seeds[0], minutes)
        images = len(rendered.shape) == 3
        most = evaluation.budget.steps or default_steps(len(rendered), len(evaluation.target), evaluation.task, images)
        spent = time.perf_counter() - self.started
        if path is None and trials is not None:
            spent += SEARCHING * 60 * minutes * len({repr(search) for search in searches})
        left = max(60 * minutes - spent, 0.0)
        plan = Plan(left, self.workers.jobs, most, speeds, trials, pinned, views).affordable()
        self.leave_out(plan)
        if path is not None:
            make_folder(path.parent)
            write_text(path, json.dumps(plan.plain(), indent=2) + "\n")
        if self.heard.on_plan is not None:
            self.heard.on_plan(plan, plan.expected(seeds))
        return plan

    def speeds(
        self, routes: Mapping[str, Route], rendered: Labelled, rendering: float, seed: int, minutes: float
    ) -> tuple[int | None, dict[str, Speed]]:
        """The number of kept views, see `kept_views.keep`, and the speed of each route on this machine."""
        evaluation = self.evaluation
        views = keep(list(routes.values()), evaluation, rendered, 60 * minutes, self.tell)
        self.draw_from(views)
        routes = {name: with_views(route, None if views is None else 1) for name, route in routes.items()}
        with self.workers.as_in_workers():
            measuring = self.measuring(rendered, seed, routes[SOURCE_ONLY])
            speeds = measure(
                routes,
                rendered,
                evaluation.target,
                evaluation.task,
                evaluation.budget,
                rendering + measuring,
                seconds=MEASURING * 60 * minutes,
                on_route=lambda name: self.tell(f"a few steps of {name}"),
                store=evaluation.store,
            )
        return views, speeds

    def measuring(self, rendered: Labelled, seed: int, route: Route) -> float:
        """Seconds that scores, aggregates and report of one training take, timed on a few samples.

        The training of the route before that is of one step, which also loads and compiles.
        """
        self.tell("scores and report")
        whole = self.evaluation
        count = max(SCORED, min(PROBE, VALUES // math.prod(rendered.shape)))
        source = rendered.subset(evenly(len(rendered), 2 * count))
        target = whole.target.subset(evenly(len(whole.target), count))
        few = Evaluation(source, target, None, whole.task, whole.budget)
        run = route.run(source, target, task=whole.task, budget=replace(whole.budget, steps=1))
        if is_kept(route, whole, rendered):
            few.measured(run, seed, 1, 0.0)  # the images pass the frozen network, once for all routes
        began = time.perf_counter()
        few.measured(run, seed, 1, 0.0)
        each = (time.perf_counter() - began) / len(target)
        return CONCLUDING * each * min(len(whole.target), SHOWN)

    def tell(self, what: str) -> None:
        """Say what is timed next."""
        if self.heard.on_timing is not None:
            self.heard.on_timing(what)

    def leave_out(self, plan: Plan) -> None:
        """Remove the routes that the plan has no time for, and note the reason."""
        for candidate in self.candidates:
            if candidate.name not in plan.speeds:
                self.diverged[candidate.name] = (
                    f"the budget is too short to train it for {ENOUGH} steps together with the other routes"
                )
        self.candidates = [candidate for candidate in self.candidates if candidate.name in plan.speeds]

    def draw_from(self, views: int | None) -> None:
        """Let every route with a frozen network draw from this number of views of each image."""
        for candidate in self.candidates:
            candidate.route = with_views(candidate.route, views)

    def shorten_searches(self, trials: int | None) -> None:
        """Limit the trials of every search of a simulator's ranges."""
        for candidate in self.candidates:
            search = candidate.route.calibrate
            if search is not None and trials is not None and search.trials > trials:
                candidate.route = replace(candidate.route, calibrate=replace(search, trials=trials))

    def concluded(self, plan: Plan | None) -> str:
        """Choose among the routes of the last round, aggregate them, and return the verdict."""
        last = max(candidate.round for candidate in self.candidates)
        finalists = [candidate for candidate in self.candidates if candidate.round == last]
        choice = self.chooser.choose(finalists)
        choice.route.chosen = True
        self.aggregates = aggregates(finalists, choice.pool, self.evaluation)
        self.short = "" if plan is None else plan.shortage(self.steps, len(finalists))
        return verdict(choice, self.evaluation)


def missing(candidate: RouteCandidate, seeds: Sequence[int]) -> Sequence[int]:
    """Seeds with which to train a route; a route in closed form is trained once."""
    if not stepless(candidate.route):
        return seeds
    return () if candidate.trials else seeds[:1]
