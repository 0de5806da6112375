"""Base class of methods that work in rounds. Each round starts from the ranges of the round before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field
from torch import Tensor

from ..measure.distances import sliced_wasserstein
from ..settings import settings
from ..simulate import Simulator
from ..training.hardware import Hardware
from .base import Calibrator, Distance, SearchProblem, SearchResult
from .image_statistics import describe
from .ranges import Space


@settings
class Rounds(Calibrator):
    """A calibration in rounds. Each round is stored as a trial of a study. A method defines one round (`step`).

    Args:
        rounds: number of rounds.
    """

    rounds: int = Field(default=6, ge=1)

    @property
    def reads(self) -> int:
        """See `Calibrator`."""
        return self.rendered

    def distance_to(
        self, space: Space, simulator: Simulator, hardware: Hardware | None = None
    ) -> Callable[[Tensor], Distance]:
        """Sliced Wasserstein distance on pixels and their local contrast."""

        def to(real: Tensor) -> Distance:
            real_features = describe(real)
            return lambda made: sliced_wasserstein(describe(made), real_features)

        return to

    def step(
        self, problem: SearchProblem, point: dict[str, float], number: int
    ) -> tuple[dict[str, float], dict[str, Any]]:
        """Run round `number` from `point`. Returns the next point, and other fields of `SearchResult`."""
        raise NotImplementedError

    def find(self, problem: SearchProblem) -> SearchResult:
        """Run all rounds. Each round starts at the point that the round before returned."""
        from .study import FixedPointSampler

        space, study, distance_to = problem.space, problem.study(), problem.distance_to(problem.seen[: self.images])

        def start_of(number: int) -> dict[str, float]:
            """The point at which this round starts."""
            return study.done[number - 1].user_attrs["next"] if number else space.start()

        for number, _, done in study.trials(self.rounds, lambda n: FixedPointSampler(start_of(n)), one_by_one=True):
            point = start_of(number)  # with its correlations, which the study does not sample
            made = space.applied(problem.simulator, point).sample(self.images, self.seed).images
            distance = distance_to(made)
            following, fields = self.step(problem, point, number)
            done(distance, next=following, **fields)
            problem.on_trial(number + 1, self.rounds, distance)
        rounds = study.done[: self.rounds]
        fields = {name: value for name, value in rounds[-1].user_attrs.items() if name in ("discrepancy", "checks")}
        values = tuple(float(trial.value or 0.0) for trial in rounds)
        alternatives = tuple(start_of(number) for number in self.alternative_rounds)
        return SearchResult(start_of(self.rounds), values, alternatives, **fields)

    @property
    def alternative_rounds(self) -> tuple[int, ...]:
        """Numbers of the rounds whose start points are evaluated in addition to the final point."""
        return ()
