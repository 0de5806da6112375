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
from ..select.decision import Answers
from ..simulate import Simulator
from ..tasks.base import Classification, Task
from ..training.model import Model
from .candidates import SOURCE_ONLY, Entry, better, rank
from .halving import ENOUGH, Plan, affordable, measure, shortened, stepless
from .pool import Aggregate, aggregates, estimated, pool_of
from .trials import Bench, Piece, Store, shipped_source, some, write_whole
from .workers import Workers

Then = Callable[[Sequence[str]], Mapping[str, Route]]


class Course:
    """One comparison on its way."""

    def __init__(
        self,
        bench: Bench,
        routes: Mapping[str, Route],
        store: Store | None,
        workers: Workers,
        on_route: Callable[[str, int], None] | None,
        on_report: OnReport | None,
    ) -> None:
        self.bench, self.store, self.workers = bench, store, workers
        self.on_route, self.on_report = on_route, on_report
        self.started = time.perf_counter()
        self.entries = [Entry(name, route) for name, route in routes.items()]
        self.places = {name: i for i, name in enumerate(routes)}
        self.aggregates: list[Aggregate] = []
        self.diverged: dict[str, str] = {}
        self.gap_before: tuple[Model | None, float] = (None, float("nan"))  # by the first model of source only
        self.simulators: dict[str, tuple[Simulator | None, Calibration | None, float]] = {}

    def rounds(self, plan: Plan | None, seeds: Sequence[int], repeat: str, then: Then | None = None) -> None:
        """All trainings: every route, then fewer and longer, at last the best with every seed."""
        base = self.entries[0]
        if plan is None:
            steps = self.bench.budget.steps
            self.train([(entry, seeds[0]) for entry in self.entries], steps)
            more = self.add({} if then is None else then([entry.name for entry in self.ranked(self.entries)]))
            # Source only is repeated whatever is chosen: beside what builds on the best, so that no worker waits.
            self.train([*((entry, seeds[0]) for entry in more), *((base, seed) for seed in seeds[1:])], steps)
            chosen, _ = self.judged(self.entries)
            again = [entry for entry in self.entries if entry is not base and (repeat == "all" or entry is chosen)]
            self.train([(entry, seed) for entry in again for seed in missing(entry, seeds[1:])], steps)
            return
        left = self.entries
        for rung, size in enumerate(plan.sizes):
            last = rung == len(plan.sizes) - 1
            if rung:
                left = [base, *self.best(left, size)]
            names = [entry.name for entry in left]
            for entry in left:
                entry.round = rung
                entry.trials = entry.trials if stepless(entry.route) else []
            each = plan.seeds(names, seeds) if last else seeds[:1]
            wanted = [(entry, seed) for entry in left for seed in missing(entry, each)]
            self.train(wanted, plan.steps(rung, [entry.name for entry, _ in wanted]))
            left = [entry for entry in left if entry.trials]

    def add(self, routes: Mapping[str, Route]) -> list[Entry]:
        """Take more routes into the comparison."""
        more = [Entry(name, route) for name, route in routes.items()]
        self.entries += more
        self.places |= {entry.name: i for i, entry in enumerate(more, start=len(self.places))}
        return more

    def best(self, left: list[Entry], size: int) -> list[Entry]:
        """The best of a round beside source only, in the order given; what is predicted to harm only where need be."""
        harmful = self.weighed()
        ranked = better([entry for entry in left if entry.name != SOURCE_ONLY], self.bench.task)
        ranked = sorted(ranked, key=lambda entry: entry.name in harmful)
        return sorted(ranked[:size], key=lambda entry: self.places[entry.name])

    def train(self, wanted: Sequence[tuple[Entry, int]], steps: int | None) -> None:
        """Train each of these routes with each of these seeds, unless that was finished before."""
        pieces = [self.piece(entry, seed, steps) for entry, seed in wanted]
        made = self.workers.run(pieces, self.on_route, self.on_report)
        for (entry, _), trial in zip(wanted, made, strict=True):
            if isinstance(trial, TrainingDiverged):
                if entry.name == SOURCE_ONLY:
                    raise trial
                self.diverged[entry.name] = str(trial)
                continue
            entry.trials.append(trial)
            entry.spent += trial.seconds
        self.entries = [entry for entry in self.entries if entry.trials]
        for entry in self.entries:
            self.diverged.pop(entry.name, None)  # of one seed, where another ended well
        self.compared_with_source_only()

    def compared_with_source_only(self) -> None:
        """Fill in what is measured by source only's first model."""
        model = self.entries[0].trials[0].run.model
        if self.gap_before[0] is not model:
            self.gap_before = (model, self.bench.gap(model, self.bench.raw))
        for entry in self.entries:
            for i, trial in enumerate(entry.trials):
                if trial.gap_before == self.gap_before[1]:
                    continue
                kept = None
                if trial.run.refined is not None and isinstance(self.bench.task, Classification):
                    kept = float(model.evaluate(some(shipped_source(trial.run)))["accuracy"])
                entry.trials[i] = replace(trial, gap_before=self.gap_before[1], label_kept=kept)

    def piece(self, entry: Entry, seed: int, steps: int | None) -> Piece:
        """The training of a route with one seed; its simulator is searched for where it has not been."""
        simulator, calibration, spent = self.simulator(entry.route)
        steps = None if stepless(entry.route) else steps
        route = shortened(replace(entry.route, calibrate=None, widen=None), steps)
        words = re.sub(r"[^a-z0-9]+", "-", entry.name.lower()).strip("-")[:40]
        key = f"{self.places[entry.name]:02d}-{words}-steps-{steps or 'default'}-seed-{seed}"
        return Piece(entry.name, key, route, seed, steps, simulator, calibration, spent)

    def simulator(self, route: Route) -> tuple[Simulator | None, Calibration | None, float]:
        """The route's simulator; found once for all routes that search it alike, its seconds counted for each."""
        bench = self.bench
        if isinstance(bench.source, Labelled):
            route.simulator(bench.source, bench.target)  # refuses what changes a simulator
            return None, None, 0.0
        key = repr((route.calibrate, route.widen))
        if key not in self.simulators:
            place = f"simulator-{len(self.simulators)}"
            found = self.store.search(place, bench.source) if self.store is not None else None
            if found is None:
                start = time.perf_counter()
                simulator, calibration = route.simulator(bench.source, bench.target, bench.task, bench.budget)
                found = simulator or bench.source, calibration, time.perf_counter() - start
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
        bench, source = self.bench, self.bench.source
        searches = [entry.route.calibrate for entry in self.entries if entry.route.calibrate is not None]
        trials = None
        if searches and not isinstance(source, Labelled):
            trials = affordable(searches[0], source, 60 * minutes)
            self.shorten_searches(trials)
        simulators = [self.simulator(entry.route)[0] for entry in self.entries]
        rendered, rendering = bench.rendered(simulators[0], seeds[0])
        routes = {entry.name: replace(entry.route, calibrate=None, widen=None) for entry in self.entries}
        with self.workers.as_in_workers():
            speeds = measure(routes, rendered, bench.target, bench.task, bench.budget, rendering)
        images = len(rendered.shape) == 3
        most = bench.budget.steps or default_steps(len(rendered), len(bench.target), bench.task, images)
        left = max(60 * minutes - (time.perf_counter() - self.started), 0.0)
        plan = Plan(left, self.workers.jobs, most, speeds, trials).affordable()
        self.leave_out(plan)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(plan.plain(), indent=2) + "\n")
        return plan

    def leave_out(self, plan: Plan) -> None:
        """Drop the routes that the plan has no time for, and say so."""
        for entry in self.entries:
            if entry.name not in plan.speeds:
                self.diverged[entry.name] = f"the budget has no time to train it for {ENOUGH} steps beside the others"
        self.entries = [entry for entry in self.entries if entry.name in plan.speeds]

    def shorten_searches(self, trials: int | None) -> None:
        """Let no search of a simulator take more trials than these."""
        for entry in self.entries:
            search = entry.route.calibrate
            if search is not None and trials is not None and search.trials > trials:
                entry.route = replace(entry.route, calibrate=replace(search, trials=trials))

    def answers(self, entry: Entry) -> Answers:
        """What a route says, for the evidence."""
        return Answers(entry.route, entry.trials[0].target, entry.trials[0].held, entry.score)

    def ranked(self, entries: list[Entry], balanced: bool = True) -> list[Entry]:
        """Score these by their trials, the best first; of texts agreement is not heard."""
        texts = isinstance(self.bench.target.inputs, Sparse)
        return rank(entries, self.bench.task, balanced=balanced, voted=not texts)

    def weighed(self) -> dict[str, str]:
        """Score every entry; for those that are predicted to harm, why.

        The others are scored anew without these, which would outvote them, and without certainty, which takes the
        target's classes for balanced.
        """
        task, raw = self.bench.task, self.bench.raw
        self.ranked(self.entries)
        prior = torch.zeros(0)
        if isinstance(task, Classification):
            prior = torch.bincount(task.align(raw), minlength=task.outputs).double() / len(raw)
        answers = {entry.name: self.answers(entry) for entry in self.entries}
        harmful = evidence.doubts_of_balance(answers, task, prior, self.bench.truth)
        if harmful:
            self.ranked([entry for entry in self.entries if entry.name not in harmful], balanced=False)
        return harmful

    def judged(self, candidates: list[Entry]) -> tuple[Entry, str]:
        """The route to ship, and why no adaptation is advised, where none is; notes what was refused."""
        task, truth, base = self.bench.task, self.bench.truth, self.entries[0]
        harmful = self.weighed()
        together = [entry.trials[0].target for entry in self.entries if entry.name not in harmful]
        reasons = [f"{why}" for why in list(harmful.values())[:1]]
        for entry in self.entries:
            entry.refused = harmful.get(entry.name, "")
        for entry in better([e for e in candidates if not e.refused], task):
            if entry is base:
                break
            both = self.answers(entry), self.answers(base)
            entry.refused = evidence.doubt(*both, together, task, truth, self.bench.target_groups) or ""
            if not entry.refused:
                return entry, "; ".join(reasons)
            reasons.append(f"“{entry.name}”: {entry.refused}")
        return base, "; ".join(reasons) or "no route has a better label-free score"

    def concluded(self) -> str:
        """Choose among the routes that were trained longest, estimate and aggregate all, and say so in words."""
        last = max(entry.round for entry in self.entries)
        chosen, why = self.judged([entry for entry in self.entries if entry.round == last])
        chosen.chosen = True
        task = self.bench.task
        pool = pool_of(self.entries, self.bench)
        for index, entry in enumerate(self.entries):
            entry.estimate = estimated(pool, index, float(entry.trials[0].source_metrics[task.metric]))
        self.aggregates = aggregates(self.entries, pool, self.bench)
        adapts = chosen.route.describe()["adapt"]["method"] != "source-only" or chosen.route.refine is not None
        seeds = f"{len(chosen.trials)} seed{'s' if len(chosen.trials) > 1 else ''}"
        shipped = f"{chosen.name}, {seeds}; {said(chosen, task)}"
        if why and not adapts:
            return f"do not adapt: {why}. Taken: {shipped}"
        return f"{shipped}{f'; refused: {why}' if why else ''}"


def missing(entry: Entry, seeds: Sequence[int]) -> Sequence[int]:
    """Seeds to train a route with: what is in closed form is trained once."""
    if not stepless(entry.route):
        return seeds
    return () if entry.trials else seeds[:1]


def said(entry: Entry, task: Task) -> str:
    """What an entry's estimate says, in words."""
    found = entry.estimate
    if found is None:
        return "no estimate of what it reaches on real data"
    name = task.metric.replace("_", " ")
    return f"{name} on real data estimated at {found.value:.3g} ({found.low:.3g} to {found.high:.3g}), by no real label"
