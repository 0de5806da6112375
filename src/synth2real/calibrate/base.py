"""Base class of the calibration methods, with their inputs and results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ..data.domains import Unlabelled
from ..data.unpadded import check_unpadded
from ..errors import InputError
from ..settings import settings, to_dict
from ..simulate import Sampling, Simulator
from ..training.hardware import Hardware
from .given import warn_of_units, with_given
from .ranges import Kind, Space

if TYPE_CHECKING:
    from .study import Study

FEWEST = 8  # minimum number of target images; an eighth of them evaluate the result

OnTrial = Callable[[int, int, float], None]
Distance = Callable[[Tensor], float]  # from rendered images to a fixed set of real images


@dataclass(frozen=True)
class Calibration:
    """Result of a calibration.

    Args:
        simulator: the simulator with the new ranges.
        ranges_before: initial range, or distribution, of each searched parameter.
        ranges: the new ones. They are the initial ones if no others were closer to the real images.
        before, after: distance to the real images with the initial ranges and with the new ranges. The real images were
            not used in the search.
        trials: distance of each trial, or at the beginning of each round, in order.
        discrepancy: distance between the mean real image and the nearest mean image that the simulator can render, in
            standard deviations of single images; None if the method does not estimate it.
        checks: p-values by name, for the assumptions of the method. A small value means that the assumption fails.
            None if the method has no checks.
        given: distribution of each parameter whose values the target gives. They were not searched.
        correlations: of the pairs `a ~ b` of parameters that are given or were searched.
    """

    simulator: Simulator
    ranges_before: dict[str, Sampling]
    ranges: dict[str, Sampling]
    before: float
    after: float
    trials: tuple[float, ...]
    discrepancy: float | None = None
    checks: dict[str, float] | None = None
    given: dict[str, Sampling] = field(default_factory=dict)
    correlations: dict[str, float] = field(default_factory=dict)

    @property
    def moved(self) -> bool:
        """Whether the calibration changed the ranges, because other ranges are closer to the real images."""
        return self.ranges != self.ranges_before


@dataclass(frozen=True)
class SearchProblem:
    """Input of a calibration method: the search space, the real images and the distance.

    Args:
        space: the search space.
        simulator: the simulator with its initial ranges.
        seen: real images (N, C, H, W) for the calibration.
        distance_to: takes real images and returns the distance of rendered images to them.
        study: opens the study that stores the trials.
        on_trial: called after each trial or round.
    """

    space: Space
    simulator: Simulator
    seen: Tensor
    distance_to: Callable[[Tensor], Distance]
    study: Callable[[], Study]
    on_trial: OnTrial


@dataclass(frozen=True)
class SearchResult:
    """Result of a calibration method, before its evaluation on unseen images.

    Args:
        point: the point that was found.
        trials, discrepancy, checks: as in `Calibration`.
        alternatives: other points to evaluate in addition to `point`.
    """

    point: dict[str, float]
    trials: tuple[float, ...]
    alternatives: tuple[dict[str, float], ...] = ()
    discrepancy: float | None = None
    checks: dict[str, float] | None = None


@settings
class Calibrator:
    """Base class of calibration methods. It evaluates the result of a method and stores its trials.

    A method defines the search for a point (`find`) and the distance for its evaluation (`distance_to`).

    Args:
        parameters: names of the parameters to find. The default is all parameters that are not fixed and not given.
        distribution: what is searched for a parameter whose values are uniform or normal within a range. `range`: a
            centre and a width. `normal`: a mean and a standard deviation. Normal and empirical distributions of the
            simulator are moved and scaled, and keep their kind.
        narrowest: minimum width of a range, or standard deviation, as a share of the initial one.
        trials: number of trials, with `images` rendered images each.
        images: rendered images per trial. Distances use at most this many images of each domain.
        seed: seed of all randomness.
    """

    name: ClassVar[str]
    any_number: ClassVar[bool] = False  # whether a study can be resumed with another number of trials

    parameters: tuple[str, ...] | None = None
    distribution: Kind = "range"
    narrowest: float = Field(default=0.0, ge=0, le=1)
    trials: int = Field(default=100, ge=1)
    images: int = Field(default=250, ge=20)
    seed: int = 0

    def fit(
        self,
        simulator: Simulator,
        target: Unlabelled,
        *,
        storage: str | None = None,
        resume: bool = False,
        on_trial: OnTrial | None = None,
        hardware: Hardware | None = None,
    ) -> Calibration:
        """Calibrate `simulator` to the images of `target`. New ranges must be closer to unseen target images.

        Otherwise the initial ranges are kept. Given columns of the target are not searched: they fix the distribution
        of the parameters of the same names, see `with_given`.

        Args:
            storage: storage of the trials: the URL of a database, or a file for SQLite; None for memory.
            resume: resume the study in the storage, or join it as an additional worker.
            on_trial: called with the number of finished trials or rounds, the total number, and the last distance.
            hardware: device of a network whose features are compared; by default `Hardware.detect()`.

        Raises:
            InputError: as in `check`, or the storage cannot be used.
        """
        space, simulator = self.check(simulator, target), with_given(simulator, target)
        seen, unseen = parted(target, self.reads, self.images, self.seed)
        distance_to = self.distance_to(space, simulator, hardware)

        def study() -> Study:
            from .study import Study

            return Study(space, storage, resume, self._made_by(simulator, target))

        on_trial = on_trial or (lambda done, trials, distance: None)
        found = self.find(SearchProblem(space, simulator, seen, distance_to, study, on_trial))
        given = {name: simulator.sampling(name) for name in target.given_columns}
        return self._nearest(space, simulator, found, distance_to(unseen), given)

    def _nearest(
        self, space: Space, simulator: Simulator, found: SearchResult, distance: Distance, given: dict[str, Sampling]
    ) -> Calibration:
        """The result with the simulator that is nearest to unseen images: as it was, or at one of the points found."""
        points = (found.point, *found.alternatives)
        ranges = (dict(zip(space.names, space.before, strict=True)), *map(space.ranges, points))
        simulators = (simulator, *(space.applied(simulator, point) for point in points))
        distances = [distance(each.sample(self.images, self.seed + 1).images) for each in simulators]
        best = distances.index(min(distances))
        return Calibration(
            simulators[best],
            ranges[0],
            ranges[best],
            distances[0],
            distances[best],
            found.trials,
            found.discrepancy,
            found.checks,
            given,
            _among(simulators[best], (*space.names, *given)),
        )

    def check(self, simulator: Simulator, target: Unlabelled) -> Space:
        """The search space.

        Raises:
            InputError: the target images differ from the simulator in size or channels, there are too few of them, a
                parameter is unknown, or no parameter is free; or a given column fits no parameter.

        Warns:
            UserWarning: a given column seems to be in another unit.
        """
        refuse_unfit(simulator, target)
        warn_of_units(simulator, target)
        space = self.space(simulator, target)
        if not space.names:
            raise InputError(
                "calibrate found no parameter to search: each has a fixed value or is given, expected a range for at "
                "least one of them"
            )
        return space

    def space(self, simulator: Simulator, target: Unlabelled) -> Space:
        """The search space, which may be empty. Raise `InputError` if a parameter to find is unknown or given."""
        given = next((name for name in self.parameters or () if name in target.given_columns), None)
        if given is not None:
            raise InputError(
                f"calibrate.parameters (--only) has '{given}', which the target gives, so it is not searched. Leave it "
                "out there, or leave it out of --given (given= in Python)"
            )
        names = self.parameters or tuple(parameter.name for parameter in simulator.parameters)
        free = tuple(name for name in names if name not in target.given_columns)
        return Space.of(with_given(simulator, target), free, self.narrowest, self.distribution)

    @property
    def reads(self) -> int:
        """Maximum number of real images for the calibration."""
        return self.images

    @property
    def rendered(self) -> int:
        """Number of images that are rendered together for training."""
        raise NotImplementedError

    def distance_to(
        self, space: Space, simulator: Simulator, hardware: Hardware | None = None
    ) -> Callable[[Tensor], Distance]:
        """A function that takes real images and returns the distance of rendered images to them."""
        raise NotImplementedError

    def find(self, problem: SearchProblem) -> SearchResult:
        """Find the point whose ranges render images like the real images in `problem.seen`."""
        raise NotImplementedError

    def _made_by(self, simulator: Simulator, target: Unlabelled) -> dict[str, Any]:
        """All inputs that determine the trials of a study, as plain data."""
        some = target.inputs[torch.linspace(0, len(target) - 1, min(len(target), 100)).long()]
        plain = {key: value for key, value in to_dict(self).items() if key != "trials" or not self.any_number}
        return {
            "method": self.name,
            "simulator": {"class": type(simulator).__name__, **to_dict(simulator)},
            "calibrate": plain,
            "target": [len(target), float(some.double().mean()), float(some.double().std())],
        }


def _among(simulator: Simulator, names: tuple[str, ...]) -> dict[str, float]:
    """The correlations of the simulator between these parameters."""
    found = simulator.all_correlations()
    return {pair: value for pair, value in found.items() if set(pair.split(" ~ ")) <= set(names)}


def refuse_unfit(simulator: Simulator, target: Unlabelled) -> None:
    """Raise `InputError` if the simulator cannot be compared with the target."""
    expected = (simulator.channels, *simulator.size)
    if target.shape != expected:
        raise InputError(
            f"calibrate compares images of one shape: the target has {target.shape}, the simulator renders {expected}"
        )
    check_unpadded(target, "the simulator")
    if len(target) < FEWEST:
        raise InputError(f"the target holds {len(target)} images, expected at least {FEWEST}. Add images to --target")


def shuffled(target: Unlabelled, seed: int) -> Tensor:
    """Indices of the target images in random order, fixed by the seed."""
    return torch.randperm(len(target), generator=torch.Generator().manual_seed(seed))


def parted(target: Unlabelled, most: int, held: int, seed: int) -> tuple[Tensor, Tensor]:
    """Split target images (N, C, H, W): at most `most` to calibrate, and `held`, but at most an eighth, to evaluate."""
    order = shuffled(target, seed)
    first = len(order) - min(held, len(order) // 8)
    return target.inputs[order[:first][:most]], target.inputs[order[first:]]
