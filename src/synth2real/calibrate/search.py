"""Search: system identification by comparing rendered images with real ones, without a label on either."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from ..data.domains import Unlabelled
from ..errors import InputError
from ..measure.distances import classifier_distance, median_distance, mmd, sliced_wasserstein
from ..settings import settings
from ..simulate import Simulator
from .base import Calibrator, Distance, Found, Sought, refuse_unfit
from .network import LEARNT, look_by, saved
from .ranges import Space

if TYPE_CHECKING:
    from .study import Study


@settings
class Search(Calibrator):
    """Finds the ranges of a simulator under which its images are hardest to tell from the real ones.

    For each parameter a centre and a width are searched by CMA-ES, both in units of the simulator's own range, which
    says how far the parameter plausibly varies. Each trial renders a sample, always from the same random numbers, so
    that two trials differ by their ranges and not by luck, and measures a two-sample distance to the real images. The
    width is kept above a share of the simulator's own: a distance rewards what is typical, training needs variety.

    With `features` the distance is on those of a network. One that tells classes forgets much of what else made an
    image, and so do distances on it: of digits rendered with known settings it found the middles of the ranges 0.3 off,
    in widths of the ranges, pixels 0.1; of 1,198 real ones of 8 by 8, training on what it found came to 0.64, on
    what pixels found to 0.73, and as given to 0.59 (two short runs). Ask for them where pixels differ in what the task
    does not care for.

    Ranges that are no nearer to real images which the search has not seen are not taken: the simulator stays as given.

    Limits: it can only reach what some setting of the simulator renders; with distances of pixels, parameters that move
    the pixels alike (the height and the blur of a small digit) are found together, not one by one; and of some twenty
    parameters on it takes more trials than anybody has (with the 84 of `Eyes`, 400 trials end farther from the real
    images than they began). `Posterior` has not the last two.

    References:
        Hansen & Ostermeier (2001). Completely derandomized self-adaptation in evolution strategies.
        Gretton et al. (2012). A kernel two-sample test.

    Args:
        parameters, images, seed: as in `Calibrator`.
        trials: of the search; the first is the simulator as given.
        distance: `sliced-wasserstein`, which tells slant from turn, `mmd` or `classifier`, on pixels and their local
            contrast or on `features`.
        features: compare by the features of a network: `learnt` on the simulator's own labels, or the folder of a run.
            None for pixels and their local contrast.
        narrowest: least width of a range, in widths of the simulator's own.
        prior: how far the simulator's own centres are trusted: moving one of them by its own width costs this share of
            the first distance. It decides between settings that look alike, such as a rotation undone by a shear.
        learn: images rendered to learn the features.
        optimizer: `cma-es`, or `gradient` where the simulator is differentiable in all that is searched.
    """

    name: ClassVar[str] = "search"
    any_number: ClassVar[bool] = True

    trials: int = Field(default=400, ge=1)
    distance: Literal["mmd", "sliced-wasserstein", "classifier"] = "sliced-wasserstein"
    features: str | None = None
    narrowest: float = Field(default=0.4, gt=0, le=1)
    prior: float = Field(default=0.1, ge=0)
    learn: int = Field(default=4000, ge=200)
    optimizer: Literal["cma-es", "gradient"] = "cma-es"

    @property
    def rendered(self) -> int:
        """See `Calibrator`."""
        return self.learn

    def find(self, sought: Sought) -> Found:
        """By CMA-ES, or by gradient."""
        if self.optimizer == "gradient":
            from .descent import descend

            point, values = descend(
                sought.space, sought.simulator, sought.seen, self.trials, self.images, self.seed, sought.tell
            )
            return Found(point, tuple(values))
        kept = sought.study()
        point = self._by_distance(kept, sought)
        return Found(point, tuple(float(trial.value or 0.0) for trial in kept.done[: self.trials]))

    def check(self, simulator: Simulator, target: Unlabelled) -> Space:
        """See `Calibrator`; or the simulator is not differentiable in what a gradient should search."""
        space = refuse_unfit(simulator, target, self.parameters, self.narrowest)
        self._check_features(simulator)
        fixed = [name for name in space.names if name not in simulator.differentiable]
        if self.optimizer == "gradient" and fixed:
            raise InputError(
                f"calibrate.optimizer 'gradient': {type(simulator).__name__} is not differentiable in '{fixed[0]}', "
                f"expected calibrate.parameters among: {', '.join(simulator.differentiable) or 'none'}. Or use 'cma-es'"
            )
        return space

    def _check_features(self, simulator: Simulator) -> None:
        if self.features is None:
            return
        if self.optimizer == "gradient":
            raise InputError(
                f"calibrate.features '{self.features}' goes with a distance between samples, but calibrate.optimizer "
                "is 'gradient', which compares by its own statistics. Leave features out, or choose another optimizer"
            )
        if self.features != LEARNT:
            saved(self.features, simulator)

    def _by_distance(self, study: Study, sought: Sought) -> dict[str, float]:
        """CMA-ES from the simulator as given, on a distance and a prior; the mean of the best trials."""
        from .study import Given, mean_of_best

        space, distance_of = sought.space, sought.distance_to(sought.seen)

        def sampler(number: int) -> Any:
            return Given(space.start()) if number == 0 else study.cma(self.seed)

        for number, point, done in study.trials(self.trials, sampler):
            made = sought.simulator.with_ranges(**space.ranges(point)).sample(self.images, self.seed).images
            distance = distance_of(made)
            first = study.done[0].user_attrs["distance"] if number else distance
            moved = sum(point[f"{name}.centre"] ** 2 for name in space.names)
            done(distance + self.prior * first * moved, distance=distance)
            sought.tell(number + 1, self.trials, distance)
        return mean_of_best(study.done[: self.trials])

    def distance_to(self, space: Space, simulator: Simulator) -> Callable[[Tensor], Distance]:
        """The distance that is asked for, on pixels and their local contrast or on features."""
        look = look_by(self.features, space, simulator, self.learn, self.seed + 6)

        def to(real: Tensor) -> Distance:
            theirs = look(real)
            if self.distance == "classifier":
                return lambda made: classifier_distance(look(made), theirs)
            if self.distance == "mmd":
                unit = median_distance(theirs)
                return lambda made: mmd(look(made), theirs, unit)
            return lambda made: sliced_wasserstein(look(made), theirs)

        return to
