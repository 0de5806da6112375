"""Matching: ranges under which the moments of rendered images are those of the real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from optuna.trial import FrozenTrial
from torch import Tensor

from ..simulate import Simulator
from .moments import Moments
from .ranges import Space
from .study import Given, Study, mean_of_best

FAR = 2.5  # how much wider than its own each range is while moments are learnt
ROOM = 0.6  # by how much wider than found, in own widths, while they are learnt once more
BEGIN, END = 8, 24  # Gauss-Newton steps before CMA-ES and after it
SETTLED = 8  # of the last steps, those that still travel; the others are averaged
SIGMA = 0.03  # first step of CMA-ES, as a share of what can be searched: the start is near


@dataclass
class Matching:
    """Gauss-Newton steps, CMA-ES near where they lead, and Gauss-Newton steps again.

    The first trial is the simulator as given. The steps' slopes are learnt beside the moments, so each step costs one
    trial. After the first of them the moments are learnt once more about the point that was reached, where they are
    sharper. The last steps render from new random numbers each, and their mean is the result.

    Args:
        study, space, simulator: the search.
        real: (N, C, H, W) images.
        trials: in all.
        images: half as many as a trial renders.
        learn: images rendered to learn the moments, each time.
        network: as in `Reader`.
        seed: of everything random.
    """

    study: Study
    space: Space
    simulator: Simulator
    real: Tensor
    trials: int
    images: int
    learn: int
    network: int
    seed: int
    _near: tuple[int, Moments] | None = field(default=None, init=False)

    @property
    def begin(self) -> int:
        """The first trial of CMA-ES."""
        return min(BEGIN, -(-self.trials // 4))

    @property
    def end(self) -> int:
        """The first trial after CMA-ES."""
        return self.trials - min(END, self.trials // 2)

    @cached_property
    def far(self) -> Moments:
        """The moments over ranges much wider than the simulator's own."""
        wide = self.simulator.with_ranges(**self.space.wide(FAR))
        return Moments.learn(self.space, wide, self.real, self.learn, self.seed + 2, self.network)

    @property
    def near(self) -> Moments:
        """The moments about the point that the first steps have reached.

        Learnt anew where a trial of another worker, that still ran, has since come among the first: so all end alike.
        """
        last = self.study.done[self.begin - 1]
        if self._near is None or self._near[0] != last.number:
            found = self._next(self.far, last)
            roomy = {key: value + ROOM * key.endswith(".width") for key, value in found.items()}
            about = self.simulator.with_ranges(**self.space.ranges(self.space.point(self.space.vector(roomy))))
            moments = Moments.learn(self.space, about, self.real, self.learn, self.seed + 3, self.network)
            self._near = last.number, moments
        return self._near[1]

    def run(self, tell: Callable[[int, int, float], None]) -> dict[str, float]:
        """The point found."""
        for number, point, done in self.study.trials(self.trials, self._sampler):
            simulator = self.simulator.with_ranges(**self.space.ranges(point))
            seed = self.seed if number < self.end else self.seed + number
            by = self._moments(number)
            moments = by.of(simulator.sample(2 * self.images, seed).images)
            done(by.distance(moments), moments=moments)
            tell(number + 1, self.trials, by.distance(moments))
        return self._mean_of_steps(self.study.done[: self.trials])

    def _moments(self, number: int) -> Moments:
        return self.far if number < self.begin else self.near

    def _next(self, moments: Moments, trial: FrozenTrial) -> dict[str, float]:
        """Where a step leads from a trial."""
        return self.space.point(moments.step(self.space.vector(trial.params), trial.user_attrs["moments"]))

    def _sampler(self, number: int) -> Any:
        """What proposes the trial of this number."""
        trials = self.study.done
        if number == 0:
            return Given(self.space.start())
        if number in (self.begin, self.end):
            reached = trials[self.begin : number] or trials[self.begin - 1 :]
            return Given(mean_of_best(reached) if number == self.end else self._next(self.far, trials[number - 1]))
        if self.begin < number < self.end:
            return self.study.cma(dict(trials[self.begin].params), SIGMA, self.seed, self.begin + 1)
        return Given(self._next(self._moments(number), trials[number - 1]))

    def _mean_of_steps(self, trials: Sequence[FrozenTrial]) -> dict[str, float]:
        last = trials[self.end :]
        last = last[SETTLED:] if len(last) > 2 * SETTLED else last[-1:]
        reached = [self.space.vector(self._next(self.near, trial)) for trial in last or trials[-1:]]
        return self.space.point(torch.stack(reached).mean(0))
