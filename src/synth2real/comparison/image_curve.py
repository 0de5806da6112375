"""What more images of a simulator would buy: one route, trained on fewer and on more of them, scored without labels.

The sizes are geometric, n/16 to n. All trainings have the same route and the same number of steps, so that a larger
size has more different images, and not more training. The images of a smaller size are the first ones of a larger one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..data.domains import Labelled, Unlabelled
from ..data.sparse import Sparse
from ..errors import InputError
from ..route.route import OnReport, Route
from ..route.run import Budget, default_steps
from ..select.estimates import Estimate, NoEstimate
from ..select.learning_curve import Gain, LearningCurve
from ..select.validators import has_learnt, sample_scores
from ..select.validators.moves import moves_label
from ..simulate import External, Simulator
from ..tasks import Classification, Task
from .candidates import RouteCandidate
from .choice import UNDECIDABLE
from .evaluation import HELD, Evaluation, Trial
from .halving import ENOUGH, shortened, step_seconds
from .halving import LEAST as LEAST_STEPS
from .pool import estimated, pool_of
from .workers import OnRoute

SIZES = 5  # each twice as large as the one before
LEAST = 20  # images of the smallest size
FEW = (2, 16)  # images on which a program that renders is timed
TIMING = 0.05  # share of the time from which on a simulator is not timed again
RENDERING = 0.4  # most of the time that goes into rendering
TRAINING = 0.9  # share of the time that is left when all was timed, for the trainings


@dataclass(frozen=True)
class CurvePlan:
    """How the time of a learning curve is spent.

    Args:
        each: seconds in which the simulator renders an image.
        sizes: numbers of images.
        seeds: of rendering and training, each with images of its own.
        steps: of every training.
        seconds: that rendering and trainings take from now on.
        short: says that the trainings are too short to judge by, with the minutes that would do; empty if not.
    """

    each: float
    sizes: list[int]
    seeds: Sequence[int]
    steps: int
    seconds: float
    short: str = ""


@dataclass(frozen=True)
class ImageCurve:
    """A learning curve over the number of images.

    Args:
        plan: sizes, seeds and steps.
        curve: label-free scores.
        gain: what more images would buy.
        estimates: estimated metric on real data of the first seed, for each size; None if there is no estimate.
        trials: of each seed, for each size.
        task: what is predicted.
        notes: what the user should know.
    """

    plan: CurvePlan
    curve: LearningCurve
    gain: Gain
    estimates: list[Estimate | None]
    trials: list[list[Trial]]
    task: Task
    notes: list[str]

    @property
    def minutes(self) -> float:
        """Minutes in which the further images would be rendered."""
        return self.plan.each * self.gain.more / 60

    def rows(self) -> list[dict[str, Any]]:
        """For each size the score with its interval, the estimated metric with its interval, and scores on real labels.

        The last are there if real labels were given. They affect nothing.
        """
        found = []
        for i, (size, interval) in enumerate(zip(self.plan.sizes, self.curve.intervals(), strict=True)):
            estimate, metric = self.estimates[i], self.task.metric
            tested = [one.test_metrics[metric] for one in self.trials[i] if one.test_metrics is not None]
            found.append(
                {
                    "images": size,
                    "score": float(self.curve.means[i]),
                    "interval": list(interval),
                    "seeds": self.curve.scores[:, i].mean(1).tolist(),
                    "estimate": None if estimate is None else [estimate.value, estimate.low, estimate.high],
                    "test": tested or None,
                }
            )
        return found

    def plain(self) -> dict[str, Any]:
        """The content of `plan.json`."""
        gain, law = self.gain, self.curve.law
        return {
            "seconds_an_image": self.plan.each,
            "steps": self.plan.steps,
            "seeds": list(self.plan.seeds),
            "metric": self.task.metric,
            "sizes": self.rows(),
            "law": {"a": law.a, "b": law.b, "c": law.c},
            "more": gain.more,
            "minutes_to_render": self.minutes,
            "gain": {"value": gain.value, "interval": [gain.low, gain.high], "verdict": gain.verdict},
            "largest_sizes": {"difference": gain.last, "spread_of_seeds": gain.reach},
            "words": gain.words,
            "notes": self.notes,
        }


def seconds_an_image(simulator: Simulator, seconds: float, seed: int = 0, given: Sequence[str] = ()) -> float:
    """Seconds in which a simulator renders an image.

    A program is timed on two numbers of images: the difference is without its start, which comes once for each `chunk`.
    Another simulator is timed twice, because the first time may load what is loaded once. What takes much of `seconds`
    is timed once.
    """

    def timed(count: int) -> float:
        began = time.perf_counter()
        simulator.labelled(count, seed, given=given)
        return time.perf_counter() - began

    chunk = simulator.chunk
    few, many = (min(count, chunk) for count in FEW) if isinstance(simulator, External) else (chunk, chunk)
    first = timed(few)
    if first * many / few > TIMING * seconds:
        return first / few
    second = timed(many)
    if few == many:
        return second / many
    each = max(0.0, second - first) / (many - few)
    return each + max(0.0, second - many * each) / chunk


def check_affordable(each: float, n: int | None, seeds: int, minutes: float, shown: int = 0) -> int:
    """The largest number of images of the curve.

    Args:
        each: seconds to render an image.
        n: asked for; None for as many as the time allows, at most the usual number.
        seeds: number of seeds, each of which has images of its own.
        minutes: for all.
        shown: images that are rendered besides those and the held-out ones.

    Raises:
        InputError: there is no time to render enough images, or `n` is too small to be divided.
    """
    least = LEAST * 2 ** (SIZES - 1)
    if n is not None and n < least:
        raise InputError(
            f"--n {n}: a curve of {SIZES} sizes, of which the smallest has {LEAST} images, needs {least} or more"
        )
    besides = HELD + shown
    affordable = int((RENDERING * 60 * minutes / each - besides) / seeds)
    if affordable < (n or least):
        needed = math.ceil(10 * each * (seeds * (n or least) + besides) / RENDERING / 60) / 10
        raise InputError(
            f"the simulator takes {each:.3g} s an image, so {seeds} seeds of {n or least} images and {besides} others "
            f"do not fit into {minutes:g} minutes with their trainings. About {needed:g} minutes would do"
        )
    return n or min(Budget.n, affordable)


class ImageCurves:
    """Trains one route on different numbers of images.

    Args:
        route: without the stages calibrate and widen.
        simulator: renders the images.
        target: unlabelled.
        test: real labelled data to report scores on; it affects nothing.
        task: what is predicted.
        budget: the largest number of images, the hardware; and the steps, None for as many as the time allows.
        groups: (N,) int64, group of each target sample.

    Raises:
        InputError: the route changes the simulator, or no label-free score is known for the task.
    """

    def __init__(
        self,
        route: Route,
        simulator: Simulator,
        target: Unlabelled,
        test: Labelled | None,
        task: Task,
        budget: Budget,
        groups: Tensor | None = None,
    ) -> None:
        if route.calibrate is not None or route.widen is not None:
            raise InputError(
                "the route calibrates or widens the simulator, so that its images would not be those that are planned "
                "for. Calibrate first, and give the ranges with --params"
            )
        if not isinstance(task, Classification) and not moves_label(task):
            raise InputError(f"--task {task.kind}: {UNDECIDABLE}, and none shows what more images buy")
        self.route, self.simulator, self.budget = route, simulator, budget
        self.evaluation = Evaluation(simulator, target, test, task, budget, target_groups=groups)

    def plan(self, each: float, seeds: Sequence[int], seconds: float) -> CurvePlan:
        """The sizes and the steps, from the speed of this machine.

        Args:
            each: seconds to render an image.
            seeds: two or more.
            seconds: that are left.
        """
        began, evaluation = time.perf_counter(), self.evaluation
        n = self.budget.n
        sizes = [n // 2 ** (SIZES - 1 - i) for i in range(SIZES)]
        rendered, _ = evaluation.rendered(self.simulator, seeds[0])
        once = self._once(rendered, seeds[0])
        step = step_seconds(replace(self.route, refine=None), rendered, evaluation.target, evaluation.task, self.budget)
        usual = default_steps(n, len(evaluation.target), evaluation.task)
        rendering, trainings = each * n * (len(seeds) - 1), SIZES * len(seeds)
        left = TRAINING * (seconds - (time.perf_counter() - began)) - rendering
        steps = self.budget.steps or min(usual, max(LEAST_STEPS, int((left / trainings - once) / step)))
        total = rendering + trainings * (once + step * steps)
        short, enough = "", min(ENOUGH, usual)
        if steps < enough and self.budget.steps is None:
            more = seconds - left + rendering + trainings * (once + step * enough)
            short = (
                f"each training has {steps} steps, and {enough} or more are expected: self-training and randomization "
                f"need time. About {math.ceil(more / 60)} minutes would do"
            )
        return CurvePlan(each, sizes, seeds, steps, total, short)

    def _once(self, rendered: Labelled, seed: int) -> float:
        """Seconds that a training takes besides its steps: refining, measuring. What is loaded once is not counted."""
        first = rendered.subset(torch.arange(min(len(rendered), LEAST)))
        self._trial(first, seed, 1)
        began = time.perf_counter()
        self._trial(rendered, seed, 1)
        return time.perf_counter() - began

    def _trial(self, source: Labelled, seed: int, steps: int, on_report: OnReport | None = None) -> Trial:
        evaluation, began = self.evaluation, time.perf_counter()
        budget = replace(self.budget, seed=seed, steps=steps)
        run = shortened(self.route, steps).run(
            source, evaluation.target, task=evaluation.task, budget=budget, on_report=on_report, store=evaluation.store
        )
        return evaluation.measured(run, seed, steps, time.perf_counter() - began)

    def run(
        self, plan: CurvePlan, more: int, on_route: OnRoute | None = None, on_report: OnReport | None = None
    ) -> ImageCurve:
        """Train all, score them, and say what `more` images would buy."""
        trials: list[list[Trial]] = [[] for _ in plan.sizes]
        for seed in plan.seeds:
            rendered, _ = self.evaluation.rendered(self.simulator, seed)
            for of_size, size in zip(trials, plan.sizes, strict=True):
                if on_route is not None:
                    on_route(f"{size:,} images", seed)
                of_size.append(self._trial(rendered.subset(torch.arange(size)), seed, plan.steps, on_report))
        curve = LearningCurve(plan.sizes, self.scores(trials), self.evaluation.seen_groups)
        notes = [*([plan.short] if plan.short else []), *self.unlearnt(trials)]
        ratio = (plan.sizes[-1] + more) / plan.sizes[-1]
        if ratio > 2 ** (SIZES - 1):
            notes.append(
                f"{more:,} more images are {ratio:.0f} times as many as the largest size, farther than the curve was "
                "measured: take the gain as a guess, or give more --minutes"
            )
        return ImageCurve(plan, curve, curve.gain(more), self.estimates(trials), trials, self.evaluation.task, notes)

    def scores(self, trials: Sequence[Sequence[Trial]]) -> Tensor:
        """The label-free score (R, S, N) of each seed and size for each target sample, among the sizes of one seed."""
        evaluation, voted = self.evaluation, not isinstance(self.evaluation.target.inputs, Sparse)
        each = []
        for of_seed in zip(*trials, strict=True):
            found = sample_scores([one.outputs for one in of_seed], evaluation.task, evaluation.labels, voted=voted)
            if found is None:
                raise InputError(f"--task {evaluation.task.kind}: {UNDECIDABLE}, and none shows what more images buy")
            each.append(found)
        return torch.stack(each)

    def estimates(self, trials: Sequence[Sequence[Trial]]) -> list[Estimate | None]:
        """The estimated metric on real data for each size, with the first seed."""
        task, sizes = self.evaluation.task, range(len(trials))
        candidates = [RouteCandidate(str(i), self.route, list(trials[i])) for i in sizes]
        pool = pool_of(candidates, self.evaluation)
        found: list[Estimate | None] = []
        for i in sizes:
            try:
                found.append(estimated(pool, i, float(trials[i][0].source_metrics[task.metric])))
            except NoEstimate:
                found.append(None)
        return found

    def unlearnt(self, trials: Sequence[Sequence[Trial]]) -> list[str]:
        """A sentence if the model of most images has not learnt the source: then nothing shows what images buy."""
        held = [of_size[0].held for of_size in trials]
        if has_learnt(held, self.evaluation.labels, self.evaluation.task)[-1]:
            return []
        return ["the model of most images has not learnt the source. Train for more steps (--steps, or more --minutes)"]
