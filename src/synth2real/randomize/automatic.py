"""Automatic domain randomization: ranges that grow while a model trained on them holds out at their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from pydantic import Field

from ..errors import InputError
from ..settings import settings

if TYPE_CHECKING:
    from ..simulate.base import Range, Simulator

Bound = tuple[str, int]  # a parameter, and 0 for its low or 1 for its high end


class Learner(Protocol):
    """What the search trains and asks; a `learner.SourceLearner`, or a user's own."""

    def learn(self, simulator: Simulator, seed: int) -> None:
        """Go on training on images of this simulator."""
        ...

    def performance(self, simulator: Simulator, n: int, seed: int) -> float:
        """How well it does on n images of this simulator, at most 1."""
        ...


@settings
class Automatic:
    """Each range grows by itself, as far as a source model can follow.

    The ranges start narrow. A small model trains on what they render, all the time; now and then one parameter is fixed
    at an end of its range, all others drawn as ever, and the model is tried there. Where it does nearly as well as it
    has ever done within, that end moves outwards; where it does much worse, inwards. So what makes the task hard stays
    narrow, and what does not grows to the limits.

    The paper compares with absolute thresholds, and fills a buffer of trials for each end before it moves. Here
    thresholds are shares of the best performance within, which serve every task alike, and one trial holds as many
    images as a buffer. Ends and ranges are those of the simulator as given; a fixed value stays fixed.

    References:
        Akkaya, Andrychowicz, Chociej et al. (2019). Solving Rubik's Cube with a robot hand, section 5.
        arXiv:1910.07113.

    Args:
        threshold: performance below which no end moves outwards, however little is reached within: there is nothing yet
            that could hold.
        rounds: each trains the model for a while, then tries some ends.
        tries: ends tried a round, drawn at random.
        images: rendered for each try.
        start: width of each range at first, in widths of the simulator's own.
        step: how far an end moves, in the same unit.
        widest: greatest width, in the same unit; the parameter's limits hold in any case.
        grow: least share of the best performance within at which an end moves outwards.
        shrink: share of it below which an end moves inwards.
        seed: of the rendering and of the ends tried.
    """

    threshold: float = Field(default=0.5, le=1)
    rounds: int = Field(default=40, ge=1)
    tries: int = Field(default=8, ge=1)
    images: int = Field(default=200, ge=1)
    start: float = Field(default=0.2, ge=0, le=1)
    step: float = Field(default=0.2, gt=0)
    widest: float = Field(default=3.0, ge=1)
    grow: float = Field(default=0.95, gt=0, le=1)
    shrink: float = Field(default=0.85, gt=0, le=1)
    seed: int = 0

    def __call__(self, simulator: Simulator, learner: Learner) -> Simulator:
        """The same simulator with the ranges that were reached.

        Args:
            learner: is trained as the ranges grow.

        Raises:
            InputError: `shrink` is above `grow`, or every parameter of the simulator is fixed.
        """
        if self.shrink > self.grow:
            raise InputError(
                f"widen.shrink={self.shrink:g} is above widen.grow={self.grow:g}, expected at most as much: "
                "an end would move both ways"
            )
        own = {parameter.name: simulator.range(parameter.name) for parameter in simulator.parameters}
        bounds: list[Bound] = [(name, end) for name, (low, high) in own.items() if low < high for end in (0, 1)]
        if not bounds:
            raise InputError(
                f"every parameter of {type(simulator).__name__} is fixed, expected one with a range to grow"
            )
        generator = torch.Generator().manual_seed(self.seed)
        now, best = simulator.widened(self.start), 0.0
        for turn in range(self.rounds):
            seed = self.seed * 1_000_003 + 2 * turn
            learner.learn(now, seed)
            best = max(best, learner.performance(now, self.images, seed + 1))
            for i in torch.randint(len(bounds), (self.tries,), generator=generator).tolist():
                name, end = bounds[i]
                there = now.with_ranges(**{name: now.range(name)[end]})
                held = learner.performance(there, self.images, seed + 1)
                way = 1 if held >= max(self.threshold, self.grow * best) else -1 if held < self.shrink * best else 0
                now = now.with_ranges(**{name: self._moved(simulator, now.range(name), (name, end), way)})
        return now

    def _moved(self, simulator: Simulator, now: Range, bound: Bound, way: int) -> Range:
        """The range whose end has moved outwards (1), not at all (0) or inwards (-1)."""
        name, end = bound
        least, most = next(parameter.limits for parameter in simulator.parameters if parameter.name == name)
        low, high = simulator.range(name)
        middle, own = (low + high) / 2, high - low
        reach = self.widest * own / 2
        if end == 0:
            return min(middle, max(least, middle - reach, now[0] - way * self.step * own)), now[1]
        return now[0], max(middle, min(most, middle + reach, now[1] + way * self.step * own))
