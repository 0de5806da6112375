"""The course of a comparison: what is trained, in which order, and what is made of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ..calibrate import Calibration
from ..data.domains import Labelled
from ..data.sparse import Sparse
from ..errors import TrainingDiverged
from ..route.route import OnReport, Route, default_steps
from ..select import decision as evidence
from ..select.decision import RouteOutputs
from ..simulate import Simulator
from ..tasks import Classification, Task
from ..training.model import Model
from .candidates import SOURCE_ONLY, RouteCandidate, better, rank
from .evaluation import Evaluation, TrainingJob, shipped_source, some
from .halving import ENOUGH, Plan, affordable, measure, shortened, stepless
from .pool import Aggregate, aggregates, estimated, pool_of
from .trials import TrialStore, write_whole
from .workers import Workers

Then = Callable[[Sequence[str]], Mapping[str, Route]]


class Schedule:
    """One comparison on its way."""

    def __init__(
        self,
        evaluation: Evaluation,
        routes: Mapping[str, Route],
        store: TrialStore | None,
        workers: Workers,
        on_route: Callable[[str, int], None] | None,
        on_report: OnReport | None,
    ) -> None:
        self.evaluation, self.store, self.workers = evaluation, store, workers
        self.on_route, self.on_report = on_route, on_report
        self.started = time.perf_counter()
        self.candidates = [RouteCandidate(name, route) for name, route in routes.items()]
        self.places = {name: i for i, name in enumerate(routes)}
        self.aggregates: list[Aggregate] = []
        self.diverged: dict[str, str] = {}
        self.gap_before: tuple[Model | None, float] = (None, float("nan"))  # by the first model of source only
        self.simulators: dict[str, tuple[Simulator | None, Calibration | None, float]] = {}

    def rounds(self, plan: Plan | None, seeds: Sequence[int], repeat: str, then: Then | None = None) -> None:
        """All trainings: every route, then fewer and longer, at last the best with every seed."""
        base = self.candidates[0]
        if plan is None:
            steps = self.evaluation.budget.steps
            self.train([(candidate, seeds[0]) for candidate in self.candidates], steps)
            more = self.add(
                {} if then is None else then([candidate.name for candidate in self.ranked(self.candidates)])
            )
            # Source only is repeated whatever is chosen: beside what builds on the best, so that no worker waits.
            self.train([*((candidate, seeds[0]) for candidate in more), *((base, seed) for seed in seeds[1:])], steps)
            chosen, _ = self.judged(self.candidates)
            again = [
                candidate
                for candidate in self.candidates
                if candidate is not base and (repeat == "all" or candidate is chosen)
            ]
            self.train([(candidate, seed) for candidate in again for seed in missing(candidate, seeds[1:])], steps)
            return
        left = self.candidates
        for rung, size in enumerate(plan.sizes):
            last = rung == len(plan.sizes) - 1
            if rung:
                left = [base, *self.best(left, size)]
            names = [candidate.name for candidate in left]
            for candidate in left:
                candidate.round = rung
                candidate.trials = candidate.trials if stepless(candidate.route) else []
            each = plan.seeds(names, seeds) if last else seeds[:1]
            wanted = [(candidate, seed) for candidate in left for seed in missing(candidate, each)]
            self.train(wanted, plan.steps(rung, [candidate.name for candidate, _ in wanted]))
            left = [candidate for candidate in left if candidate.trials]

    def add(self, routes: Mapping[str, Route]) -> list[RouteCandidate]:
        """Take more routes into the comparison."""
        more = [RouteCandidate(name, route) for name, route in routes.items()]
        self.candidates += more
        self.places |= {candidate.name: i for i, candidate in enumerate(more, start=len(self.places))}
        return more

    def best(self, left: list[RouteCandidate], size: int) -> list[RouteCandidate]:
        """The best of a round beside source only, in the order given; what is predicted to harm only where need be."""
        harmful = self.weighed()
        ranked = better([candidate for candidate in left if candidate.name != SOURCE_ONLY], self.evaluation.task)
        ranked = sorted(ranked, key=lambda candidate: candidate.name in harmful)
        return sorted(ranked[:size], key=lambda candidate: self.places[candidate.name])

    def train(self, wanted: Sequence[tuple[RouteCandidate, int]], steps: int | None) -> None:
        """Train each of these routes with each of these seeds, unless that was finished before."""
        trainings = [self.training(candidate, seed, steps) for candidate, seed in wanted]
        made = self.workers.run(trainings, self.on_route, self.on_report)
        for (candidate, _), trial in zip(wanted, made, strict=True):
            if isinstance(trial, TrainingDiverged):
                if candidate.name == SOURCE_ONLY:
                    raise trial
                self.diverged[candidate.name] = str(trial)
                continue
            candidate.trials.append(trial)
            candidate.spent += trial.seconds
        self.candidates = [candidate for candidate in self.candidates if candidate.trials]
        for candidate in self.candidates:
            self.diverged.pop(candidate.name, None)  # of one seed, where another ended well
        self.compared_with_source_only()

    def compared_with_source_only(self) -> None:
        """Fill in what is measured by source only's first model."""
        model = self.candidates[0].trials[0].run.model
        if self.gap_before[0] is not model:
            self.gap_before = (model, self.evaluation.gap(model, self.evaluation.raw))
        for candidate in self.candidates:
            for i, trial in enumerate(candidate.trials):
                if trial.gap_before == self.gap_before[1]:
                    continue
                kept = None
                if trial.run.refined is not None and isinstance(self.evaluation.task, Classification):
                    kept = float(model.evaluate(some(shipped_source(trial.run)))["accuracy"])
                candidate.trials[i] = replace(trial, gap_before=self.gap_before[1], label_kept=kept)

    def training(self, candidate: RouteCandidate, seed: int, steps: int | None) -> TrainingJob:
        """The training of a route with one seed; its simulator is searched for where it has not been."""
        simulator, calibration, spent = self.simulator(candidate.route)
        steps = None if stepless(candidate.route) else steps
        route = shortened(replace(candidate.route, calibrate=None, widen=None), steps)
        words = re.sub(r"[^a-z0-9]+", "-", candidate.name.lower()).strip("-")[:40]
        key = f"{self.places[candidate.name]:02d}-{words}-steps-{steps or 'default'}-seed-{seed}"
        return TrainingJob(candidate.name, key, route, seed, steps, simulator, calibration, spent)

    def simulator(self, route: Route) -> tuple[Simulator | None, Calibration | None, float]:
        """The route's simulator; found once for all routes that search it alike, its seconds counted for each."""
        evaluation = self.evaluation
        if isinstance(evaluation.source, Labelled):
            route.simulator(evaluation.source, evaluation.target)  # refuses what changes a simulator
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

    def plan(self, minutes: float, seeds: Sequence[int], path: Path) -> Plan:
        """The plan that was kept, or a new one from the speed of each route on this machine."""
        if path.is_file():
            plan = Plan.read(path)
            self.shorten_searches(plan.trials)
            self.leave_out(plan)
            return plan
        evaluation, source = self.evaluation, self.evaluation.source
        searches = [candidate.route.calibrate for candidate in self.candidates if candidate.route.calibrate is not None]
        trials = None
        if searches and not isinstance(source, Labelled):
            trials = affordable(searches[0], source, 60 * minutes)
            self.shorten_searches(trials)
        simulators = [self.simulator(candidate.route)[0] for candidate in self.candidates]
        rendered, rendering = evaluation.rendered(simulators[0], seeds[0])
        routes = {candidate.name: replace(candidate.route, calibrate=None, widen=None) for candidate in self.candidates}
        with self.workers.as_in_workers():
            speeds = measure(routes, rendered, evaluation.target, evaluation.task, evaluation.budget, rendering)
        images = len(rendered.shape) == 3
        most = evaluation.budget.steps or default_steps(len(rendered), len(evaluation.target), evaluation.task, images)
        left = max(60 * minutes - (time.perf_counter() - self.started), 0.0)
        plan = Plan(left, self.workers.jobs, most, speeds, trials).affordable()
        self.leave_out(plan)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(plan.plain(), indent=2) + "\n")
        return plan

    def leave_out(self, plan: Plan) -> None:
        """Drop the routes that the plan has no time for, and say so."""
        for candidate in self.candidates:
            if candidate.name not in plan.speeds:
                self.diverged[candidate.name] = (
                    f"the budget has no time to train it for {ENOUGH} steps beside the others"
                )
        self.candidates = [candidate for candidate in self.candidates if candidate.name in plan.speeds]

    def shorten_searches(self, trials: int | None) -> None:
        """Let no search of a simulator take more trials than these."""
        for candidate in self.candidates:
            search = candidate.route.calibrate
            if search is not None and trials is not None and search.trials > trials:
                candidate.route = replace(candidate.route, calibrate=replace(search, trials=trials))

    def answers(self, candidate: RouteCandidate) -> RouteOutputs:
        """What a route says, for the evidence."""
        return RouteOutputs(candidate.route, candidate.trials[0].target, candidate.trials[0].held, candidate.score)

    def ranked(self, candidates: list[RouteCandidate], balanced: bool = True) -> list[RouteCandidate]:
        """Score these by their trials, the best first; of texts agreement is not heard."""
        texts = isinstance(self.evaluation.target.inputs, Sparse)
        return rank(candidates, self.evaluation.task, balanced=balanced, voted=not texts)

    def weighed(self) -> dict[str, str]:
        """Score every entry; for those that are predicted to harm, why.

        The others are scored anew without these, which would outvote them, and without certainty, which takes the
        target's classes for balanced.
        """
        task, raw = self.evaluation.task, self.evaluation.raw
        self.ranked(self.candidates)
        prior = torch.zeros(0)
        if isinstance(task, Classification):
            prior = torch.bincount(task.align(raw), minlength=task.outputs).double() / len(raw)
        answers = {candidate.name: self.answers(candidate) for candidate in self.candidates}
        harmful = evidence.label_shift_refusals(answers, task, prior, self.evaluation.truth)
        if harmful:
            self.ranked([candidate for candidate in self.candidates if candidate.name not in harmful], balanced=False)
        return harmful

    def judged(self, candidates: list[RouteCandidate]) -> tuple[RouteCandidate, str]:
        """The route to ship, and why no adaptation is advised, where none is; notes what was refused."""
        task, truth, base = self.evaluation.task, self.evaluation.truth, self.candidates[0]
        harmful = self.weighed()
        together = [candidate.trials[0].target for candidate in self.candidates if candidate.name not in harmful]
        reasons = [f"{why}" for why in list(harmful.values())[:1]]
        for candidate in self.candidates:
            candidate.refused = harmful.get(candidate.name, "")
        for candidate in better([e for e in candidates if not e.refused], task):
            if candidate is base:
                break
            both = self.answers(candidate), self.answers(base)
            candidate.refused = (
                evidence.reason_to_refuse(*both, together, task, truth, self.evaluation.target_groups) or ""
            )
            if not candidate.refused:
                return candidate, "; ".join(reasons)
            reasons.append(f"“{candidate.name}”: {candidate.refused}")
        return base, "; ".join(reasons) or "no route has a better label-free score"

    def concluded(self) -> str:
        """Choose among the routes that were trained longest, estimate and aggregate all, and say so in words."""
        last = max(candidate.round for candidate in self.candidates)
        chosen, why = self.judged([candidate for candidate in self.candidates if candidate.round == last])
        chosen.chosen = True
        task = self.evaluation.task
        pool = pool_of(self.candidates, self.evaluation)
        for index, candidate in enumerate(self.candidates):
            candidate.estimate = estimated(pool, index, float(candidate.trials[0].source_metrics[task.metric]))
        self.aggregates = aggregates(self.candidates, pool, self.evaluation)
        adapts = chosen.route.describe()["adapt"]["method"] != "source-only" or chosen.route.refine is not None
        seeds = f"{len(chosen.trials)} seed{'s' if len(chosen.trials) > 1 else ''}"
        shipped = f"{chosen.name}, {seeds}; {said(chosen, task)}"
        if why and not adapts:
            return f"do not adapt: {why}. Taken: {shipped}"
        return f"{shipped}{f'; refused: {why}' if why else ''}"


def missing(candidate: RouteCandidate, seeds: Sequence[int]) -> Sequence[int]:
    """Seeds to train a route with: what is in closed form is trained once."""
    if not stepless(candidate.route):
        return seeds
    return () if candidate.trials else seeds[:1]


def said(candidate: RouteCandidate, task: Task) -> str:
    """What an entry's estimate says, in words."""
    found = candidate.estimate
    if found is None:
        return "no estimate of what it reaches on real data"
    name = task.metric.replace("_", " ")
    return f"{name} on real data estimated at {found.value:.3g} ({found.low:.3g} to {found.high:.3g}), by no real label"
