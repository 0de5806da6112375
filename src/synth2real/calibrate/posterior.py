"""Posterior: where the centres of a simulator's ranges lie, by Bayes' rule, and by how much the simulator is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ..distances import sliced_wasserstein
from ..settings import settings
from ..simulate import Simulator
from .base import Calibrator, Distance, Found, Sought
from .ranges import Space
from .response import Response
from .statistics import describe

LEAST = 200  # images to learn the response from


@settings
class Posterior(Calibrator):
    """Finds the centres of the ranges as the mean real image tells them; each range keeps its width.

    What describes an image (pixels, levels of grey, slopes, moments) is regressed on the parameters that made rendered
    ones. Its mean over the real images is then a measurement of the centres, with two errors: that of the sample, and a
    discrepancy, which no setting of the simulator removes (Kennedy & O'Hagan). The discrepancy's size, and how far the
    centres may lie from the own ones, are those under which the real mean is likeliest, so that one tells the other: a
    simulator that can make the real images is identified (in 500 images, 23 of 25 hidden centres are found within a
    tenth of their range, of digits and of eyes), and one that is far from them for other reasons stays nearly as it is.
    After each round the regression is learnt anew about the centres reached.

    One regression a round takes the place of a search: a simulator of a hundred parameters takes a minute, where a
    search by a distance is lost.

    Limits: it finds centres alone, no widths, and reads means alone, so that what two groups of real images differ in
    is averaged: on pupils of five people the gap fell by a third, and the error rose from 0.83 to 1.47 px, as ranges of
    the same width about the mean of all hold fewer of each. For points, widen beside it. The response is taken as
    straight about the ranges.

    References:
        Kennedy & O'Hagan (2001). Bayesian calibration of computer models. JRSS B 63.
        MacKay (1992). Bayesian interpolation. Neural Computation 4. For the two sizes by their evidence.

    Args:
        parameters, images, seed: as in `Calibrator`.
        trials: of `images` each, rendered to learn from, in equal parts for each round, but 200 images at least.
            A study is gone on with under the same number.
        rounds: of learning the response.
    """

    name: ClassVar[str] = "posterior"

    rounds: int = Field(default=6, ge=1)

    @property
    def rendered(self) -> int:
        """Images of each round, and the most real ones that are read."""
        return max(LEAST, self.trials * self.images // self.rounds)

    @property
    def reads(self) -> int:
        """See `Calibrator`."""
        return self.rendered

    def distance_to(self, space: Space, simulator: Simulator) -> Callable[[Tensor], Distance]:
        """See `distance_of_pixels`."""
        return distance_of_pixels

    def find(self, sought: Sought) -> Found:
        """Each round begins where the one before has led."""
        from .study import Given

        space, simulator, seen = sought.space, sought.simulator, sought.seen
        kept, distance = sought.study(), sought.distance_to(seen[: self.images])

        def reached(number: int) -> dict[str, float]:
            """Where the round of this number begins."""
            return kept.done[number - 1].user_attrs["next"] if number else space.start()

        for number, point, done in kept.trials(self.rounds, lambda n: Given(reached(n)), one_by_one=True):
            about = simulator.with_ranges(**space.ranges(point))
            at = distance(about.sample(self.images, self.seed).images)
            belief = Response.learn(space, about, seen, self.rendered, self.seed + 2 + number).believe()
            towards = space.point(torch.cat([belief.mean, torch.ones_like(belief.mean)]))
            done(at, next=towards, discrepancy=belief.discrepancy)
            sought.tell(number + 1, self.rounds, at)
        rounds = kept.done[: self.rounds]
        values = tuple(float(trial.value or 0.0) for trial in rounds)
        return Found(reached(self.rounds), values, rounds[-1].user_attrs["discrepancy"])


def distance_of_pixels(real: Tensor) -> Distance:
    """Sliced Wasserstein distance of pixels and their local contrast, to images (N, C, H, W)."""
    theirs = describe(real)
    return lambda made: sliced_wasserstein(describe(made), theirs)
