"""What methods share that go in rounds: each learns about the ranges reached, and says where to go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field
from torch import Tensor

from ..measure.distances import sliced_wasserstein
from ..settings import settings
from ..simulate import Simulator
from .base import Calibrator, Distance, Found, Sought
from .ranges import Space
from .statistics import describe


@settings
class Rounds(Calibrator):
    """A calibration in rounds, which are kept as the trials of a study; a method says what one of them does (`step`).

    Args:
        rounds: of learning.
    """

    rounds: int = Field(default=6, ge=1)

    @property
    def reads(self) -> int:
        """See `Calibrator`."""
        return self.rendered

    def distance_to(self, space: Space, simulator: Simulator) -> Callable[[Tensor], Distance]:
        """Sliced Wasserstein distance of pixels and their local contrast."""

        def to(real: Tensor) -> Distance:
            theirs = describe(real)
            return lambda made: sliced_wasserstein(describe(made), theirs)

        return to

    def step(self, sought: Sought, point: dict[str, float], number: int) -> tuple[dict[str, float], dict[str, Any]]:
        """Where the round of this number, which begins at `point`, leads; and what else of `Found` it says."""
        raise NotImplementedError

    def find(self, sought: Sought) -> Found:
        """Each round begins where the one before has led."""
        from .study import Given

        space, kept, distance = sought.space, sought.study(), sought.distance_to(sought.seen[: self.images])

        def reached(number: int) -> dict[str, float]:
            """Where the round of this number begins."""
            return kept.done[number - 1].user_attrs["next"] if number else space.start()

        for number, point, done in kept.trials(self.rounds, lambda n: Given(reached(n)), one_by_one=True):
            at = distance(sought.simulator.with_ranges(**space.ranges(point)).sample(self.images, self.seed).images)
            towards, told = self.step(sought, point, number)
            done(at, next=towards, **told)
            sought.tell(number + 1, self.rounds, at)
        rounds = kept.done[: self.rounds]
        told = {name: value for name, value in rounds[-1].user_attrs.items() if name in ("discrepancy", "checks")}
        values = tuple(float(trial.value or 0.0) for trial in rounds)
        return Found(reached(self.rounds), values, also=tuple(reached(number) for number in self.beside), **told)

    @property
    def beside(self) -> tuple[int, ...]:
        """Rounds whose beginnings are judged beside what the last one leads to."""
        return ()
