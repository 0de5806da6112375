"""Posterior: Bayesian estimation of the centres of the ranges, and of the error of the simulator."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from ..settings import settings
from .base import SearchProblem
from .response import Response
from .sequential_rounds import Rounds

LEAST = 200  # minimum number of images for the regression
GROWING = 2  # last rounds, in which ranges grow


@settings
class Posterior(Rounds):
    """Estimates the centres of the ranges from the mean real image, and widens ranges that are too narrow.

    A linear regression predicts image statistics (pixels, grey levels, slopes, moments) from the parameters of rendered
    images. The mean statistics of the real images are then a measurement of the centres. It has two errors: the
    sampling error, and a discrepancy that no setting of the simulator can remove (Kennedy & O'Hagan). The method
    selects the size of the discrepancy and the prior deviation of the centres that maximise the likelihood of the real
    mean. If the simulator can render the real images, the centres are identified: with 500 images, 23 of 25 hidden
    centres of digits and eyes are found within a tenth of their range. If the real images differ for other reasons, the
    simulator changes very little. Each round repeats the regression around the current ranges.

    The same regression predicts the parameters of single images. If these predictions vary more for real images than
    for rendered images, the range grows, in the last two rounds. No range becomes narrower than its initial width.
    Effects that the simulator cannot render also change the predictions. A range that is too wide costs little, but a
    range that is too narrow loses real images. From narrow digits to MNIST, ranges that may shrink cost 5 points of
    accuracy (one seed). Held-out real images, which no round used, decide whether the grown ranges are kept.

    One regression per round replaces a search. A simulator with a hundred parameters takes a minute; a search by a
    distance fails for so many parameters.

    Limits: no range becomes narrower, or wider than twice its initial width. One range is used for all real images,
    even if they form several groups. The response is assumed to be linear around the ranges.

    References:
        Kennedy & O'Hagan (2001). Bayesian calibration of computer models. JRSS B 63.
        MacKay (1992). Bayesian interpolation. Neural Computation 4. For the two sizes by their evidence.

    Args:
        parameters, images, seed: as in `Calibrator`.
        trials: number of trials. `trials` times `images` images are rendered for the regressions, divided equally
            between rounds, but at least 200 per round. A study is resumed with the same number.
        rounds: number of rounds.
    """

    name: ClassVar[str] = "posterior"

    @property
    def rendered(self) -> int:
        """Rendered images per round. It is also the maximum number of real images."""
        return max(LEAST, self.trials * self.images // self.rounds)

    def step(
        self, problem: SearchProblem, point: dict[str, float], number: int
    ) -> tuple[dict[str, float], dict[str, Any]]:
        """Compute the posterior of the centres with Bayes' rule, and the growth of the ranges."""
        space = problem.space
        about = space.applied(problem.simulator, point)
        response = Response.learn(space, about, problem.seen, self.rendered, self.seed + 2 + number)
        centres, (_, widths) = response.infer_centres(), space.vector(point).chunk(2)
        if number >= self.rounds - GROWING:
            widths = (widths * response.growth).clamp(min=1)  # may shrink again, but not below the initial width
        return space.point(torch.cat([centres.mean, widths])), {"discrepancy": centres.discrepancy}

    @property
    def alternative_rounds(self) -> tuple[int, ...]:
        """See `Rounds`: the first round in which ranges grow."""
        return (max(0, self.rounds - GROWING),)
