"""Posterior: Bayesian estimation of the centres of the ranges, and of the error of the simulator."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field

from ..settings import settings
from .base import SearchProblem
from .response import Response
from .sequential_rounds import Rounds

LEAST = 200  # minimum number of images for the regression
GROWING = 2  # last rounds, in which ranges grow
MATCHING = 4  # last rounds in which second moments are matched; each round corrects a part of the difference
SIGNIFICANT = 2.5  # minimum size of a correlation in its standard errors in the last round; 1 before, as they grow


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
    accuracy (one seed), so they shrink only if `narrowest` is set below 1. Held-out real images, which no round used,
    decide whether the grown ranges are kept.

    With `distribution="normal"` it searches means, standard deviations and correlations. In the last four rounds it
    matches second moments: the covariance of the predictions over real images, less that of their error, which is known
    from rendered images, is the covariance of the parameters. Correlations are kept if they are larger than three of
    their standard errors and if single images determine both parameters. What the simulator cannot render counts as
    variation of its parameters here, too, so a standard deviation is an upper bound.

    One regression per round replaces a search. A simulator with a hundred parameters takes a minute; a search by a
    distance fails for so many parameters.

    Limits: no range becomes wider than twice its initial width. One distribution is used for all real images, even if
    they form several groups. The response is assumed to be linear around the ranges.

    References:
        Kennedy & O'Hagan (2001). Bayesian calibration of computer models. JRSS B 63.
        MacKay (1992). Bayesian interpolation. Neural Computation 4. For the two sizes by their evidence.

    Args:
        parameters, distribution, images, seed: as in `Calibrator`.
        narrowest: as in `Calibrator`. 1: no range, or standard deviation, becomes smaller.
        trials: number of trials. `trials` times `images` images are rendered for the regressions, divided equally
            between rounds, but at least 200 per round. A study is resumed with the same number.
        rounds: number of rounds.
    """

    name: ClassVar[str] = "posterior"

    narrowest: float = Field(default=1.0, gt=0, le=1)

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
        correlations = space.correlations(point)
        if number >= self.alternative_rounds[0]:
            growth = response.growth
            if self.distribution == "normal":
                growth, before = response.moments.growth, problem.simulator.all_correlations()
                significant = SIGNIFICANT if number == self.rounds - 1 else 1.0
                correlations = response.moments.correlations(space.names, before, significant)
            widths = (widths * growth).clamp(min=self.narrowest)  # may shrink again, but not below its minimum
        following = space.point(torch.cat([centres.mean, widths])) | correlations
        return following, {"discrepancy": centres.discrepancy}

    @property
    def alternative_rounds(self) -> tuple[int, ...]:
        """See `Rounds`: the first round in which ranges grow."""
        return (max(0, self.rounds - (MATCHING if self.distribution == "normal" else GROWING)),)
