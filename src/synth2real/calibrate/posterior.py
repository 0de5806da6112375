"""Posterior: where a simulator's ranges lie, by Bayes' rule, and by how much the simulator is wrong."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from ..settings import settings
from .base import Sought
from .response import Response
from .rounds import Rounds

LEAST = 200  # images to learn the response from
GROWING = 2  # rounds at the end, in which ranges grow


@settings
class Posterior(Rounds):
    """Finds the centres of the ranges as the mean real image tells them, and widens those that are too narrow.

    What describes an image (pixels, levels of grey, slopes, moments) is regressed on the parameters that made rendered
    ones. Its mean over the real images is then a measurement of the centres, with two errors: that of the sample, and a
    discrepancy, which no setting of the simulator removes (Kennedy & O'Hagan). The discrepancy's size, and how far the
    centres may lie from the own ones, are those under which the real mean is likeliest, so that one tells the other: a
    simulator that can make the real images is identified (in 500 images, 23 of 25 hidden centres are found within a
    tenth of their range, of digits and of eyes), and one that is far from them for other reasons stays nearly as it is.
    After each round the regression is learnt anew about the ranges reached.

    The same regression reads the parameters off single images, and where real ones differ more in what it reads than
    rendered ones do, the range grows, in the last two rounds. None becomes narrower than it was given: what no setting
    renders moves what is read, too, and a range too wide costs little, one too narrow loses real images. From narrow
    digits to MNIST, to let them shrink cost 5 points of accuracy (one seed). Real images that no round has seen judge
    whether the grown ranges are taken, or those before they grew.

    One regression a round takes the place of a search: a simulator of a hundred parameters takes a minute, where a
    search by a distance is lost.

    Limits: no range is narrowed or grows to more than twice its width, and one range holds all real images, however
    many groups they come in. The response is taken as straight about the ranges.

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

    @property
    def rendered(self) -> int:
        """Images of each round, and the most real ones that are read."""
        return max(LEAST, self.trials * self.images // self.rounds)

    def step(self, sought: Sought, point: dict[str, float], number: int) -> tuple[dict[str, float], dict[str, Any]]:
        """By Bayes' rule."""
        space = sought.space
        about = sought.simulator.with_ranges(**space.ranges(point))
        response = Response.learn(space, about, sought.seen, self.rendered, self.seed + 2 + number)
        belief, (_, widths) = response.believe(), space.vector(point).chunk(2)
        if number >= self.rounds - GROWING:
            widths = (widths * response.growth).clamp(min=1)  # one that grew too far may go back, and no further
        return space.point(torch.cat([belief.mean, widths])), {"discrepancy": belief.discrepancy}

    @property
    def beside(self) -> tuple[int, ...]:
        """See `Rounds`: the first in which ranges grow."""
        return (max(0, self.rounds - GROWING),)
