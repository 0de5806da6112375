"""Automatic domain randomization: widens ranges while a model trained on them performs well at their ends."""

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
    """The interface of the model that the search trains and evaluates.

    It is a `route.source_learner.SourceLearner` or your own class.
    """

    def learn(self, simulator: Simulator, seed: int) -> None:
        """Continue the training on images of this simulator."""
        ...

    def performance(self, simulator: Simulator, n: int, seed: int) -> float:
        """Performance on n images of this simulator, at most 1."""
        ...


@settings
class Automatic:
    """Automatic domain randomization: each range grows as long as a source model performs well at its ends.

    The ranges start narrow. A small model is trained continuously on images rendered within them. In each round some
    parameters are fixed at one end of their range, one at a time, while all others are sampled as before. The model is
    evaluated on images of this setting. If its performance is close to its best within the ranges, the end moves
    outwards. If it is much worse, the end moves inwards. Parameters that make the task hard therefore stay narrow, and
    the others grow to their limits.

    The paper compares with absolute thresholds and fills a buffer of evaluations for each end before the end moves.
    Here the thresholds are shares of the best performance within the ranges, so they serve every task. One evaluation
    has as many images as a buffer. All widths are relative to the ranges of the given simulator. A fixed value stays
    fixed, and so does a normal or empirical distribution: it is stated, and has no end that could move.

    References:
        Akkaya, Andrychowicz, Chociej et al. (2019). Solving Rubik's Cube with a robot hand, section 5.
        arXiv:1910.07113.

    Args:
        threshold: no end moves outwards at a performance below this value, even if the best performance within the
            ranges is low. The model has then not yet learnt the task.
        rounds: number of rounds. Each trains the model for a while and then evaluates some ends.
        tries: ends evaluated in each round, chosen at random.
        images: images rendered for each evaluation.
        start: initial width of each range, in units of the simulator's own width.
        step: distance that an end moves, in the same unit.
        widest: greatest width, in the same unit. The limits of the parameter always hold, too.
        grow: an end moves outwards if the performance is at least this share of the best performance.
        shrink: an end moves inwards if the performance is below this share of the best performance.
        seed: seed of the rendering and of the choice of ends.
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
        """The same simulator with the final ranges.

        Args:
            learner: the model. It is trained while the ranges grow.

        Raises:
            InputError: `shrink` is above `grow`, or every parameter of the simulator is fixed.
        """
        if self.shrink > self.grow:
            raise InputError(
                f"widen.shrink={self.shrink:g} is above widen.grow={self.grow:g}, expected at most widen.grow. "
                "Otherwise an end would move in both directions"
            )
        own = simulator.samplings()
        ranges = {name: sampling for name, sampling in own.items() if isinstance(sampling, tuple)}
        bounds: list[Bound] = [(name, end) for name, (low, high) in ranges.items() if low < high for end in (0, 1)]
        if not bounds:
            raise InputError(
                f"every parameter of {type(simulator).__name__} is fixed or has a distribution, expected a parameter "
                "with a range"
            )
        generator = torch.Generator().manual_seed(self.seed)
        stated = {name: sampling for name, sampling in own.items() if name not in ranges}
        now, best = simulator.widened(self.start).with_ranges(**stated), 0.0
        for turn in range(self.rounds):
            seed = self.seed * 1_000_003 + 2 * turn
            learner.learn(now, seed)
            best = max(best, learner.performance(now, self.images, seed + 1))
            for i in torch.randint(len(bounds), (self.tries,), generator=generator).tolist():
                name, end = bounds[i]
                there = now.with_ranges(**{name: now.range(name)[end]})
                performance = learner.performance(there, self.images, seed + 1)
                grows = performance >= max(self.threshold, self.grow * best)
                way = 1 if grows else -1 if performance < self.shrink * best else 0
                now = now.with_ranges(**{name: self._moved(simulator, now.range(name), (name, end), way)})
        return now

    def _moved(self, simulator: Simulator, now: Range, bound: Bound, way: int) -> Range:
        """The range after its end has moved outwards (1), not at all (0) or inwards (-1)."""
        name, end = bound
        least, most = next(parameter.limits for parameter in simulator.parameters if parameter.name == name)
        low, high = simulator.range(name)
        middle, own = (low + high) / 2, high - low
        reach = self.widest * own / 2
        if end == 0:
            return min(middle, max(least, middle - reach, now[0] - way * self.step * own)), now[1]
        return now[0], max(middle, min(most, middle + reach, now[1] + way * self.step * own))
