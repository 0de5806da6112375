"""What every calibration is given and gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ..data.domains import Unlabelled
from ..errors import InputError
from ..settings import settings, to_dict
from ..simulate import Range, Simulator
from .ranges import Space

if TYPE_CHECKING:
    from .study import Study

FEWEST = 8  # images of the target, an eighth of which judge

OnTrial = Callable[[int, int, float], None]
Distance = Callable[[Tensor], float]  # of rendered images to certain real ones


@dataclass(frozen=True)
class Calibration:
    """What was found.

    Args:
        simulator: with the ranges found.
        ranges_before: what each searched parameter was drawn from as given.
        ranges: as found; those before where nothing nearer was found.
        before, after: distance to the real images with the simulator's own ranges and with the new ones, on images
            that the search has not seen.
        trials: the distance of each trial, or at the begin of each round, in order.
        discrepancy: by how much the mean real image is off from what any ranges render, in deviations of single
            images; None where this was not asked.
        checks: p-values by name, of what the method rests on: small where that fails; None where there are none.
    """

    simulator: Simulator
    ranges_before: dict[str, Range]
    ranges: dict[str, Range]
    before: float
    after: float
    trials: tuple[float, ...]
    discrepancy: float | None = None
    checks: dict[str, float] | None = None

    @property
    def moved(self) -> bool:
        """Whether ranges were found that are nearer than those given."""
        return self.ranges != self.ranges_before


@dataclass(frozen=True)
class Sought:
    """What a method looks for a point in, and by.

    Args:
        space, simulator: that is searched.
        seen: real images (N, C, H, W) to calibrate by.
        distance_to: makes of real images the distance of rendered ones to them.
        study: opens where trials are kept.
        tell: is told each trial or round.
    """

    space: Space
    simulator: Simulator
    seen: Tensor
    distance_to: Callable[[Tensor], Distance]
    study: Callable[[], Study]
    tell: OnTrial


@dataclass(frozen=True)
class Found:
    """Where a method has led: the point, the distance of each trial or round; the others as in `Calibration`.

    Args:
        also: other points that it would have judged beside it.
    """

    point: dict[str, float]
    trials: tuple[float, ...]
    also: tuple[dict[str, float], ...] = ()
    discrepancy: float | None = None
    checks: dict[str, float] | None = None


@settings
class Calibrator:
    """A method of calibration: what it is given, how its result is judged, and where its trials are kept.

    A method says how it looks for a point (`find`) and what distance it is judged by (`distance_to`).

    Args:
        parameters: names of those to find; all that are not fixed by default.
        trials: of `images` rendered images each.
        images: rendered in a trial, and of each side that distances are taken of.
        seed: of everything random.
    """

    name: ClassVar[str]
    any_number: ClassVar[bool] = False  # whether a study may be gone on with to another number of trials

    parameters: tuple[str, ...] | None = None
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
    ) -> Calibration:
        """Calibrate `simulator` to the images of `target`; ranges that are no nearer to unseen ones are not taken.

        Args:
            storage: where the trials are kept: the URL of a database, or a file for SQLite; None for memory.
            resume: go on with what the storage holds, or take part in it as a further worker.
            on_trial: is told the trials or rounds done, those to do, and the distance of the last.

        Raises:
            InputError: as `check`, or the storage is of no use.
        """
        space = self.check(simulator, target)
        seen, unseen = parted(target, self.reads, self.images, self.seed)
        distance_to = self.distance_to(space, simulator)

        def study() -> Study:
            from .study import Study

            return Study(space, storage, resume, self._made_by(simulator, target))

        tell = on_trial or (lambda done, trials, distance: None)
        found = self.find(Sought(space, simulator, seen, distance_to, study, tell))
        own, distance = dict(zip(space.names, space.own, strict=True)), distance_to(unseen)
        every = (own, *map(space.ranges, (found.point, *found.also)))
        made = (simulator, *(simulator.with_ranges(**ranges) for ranges in every[1:]))
        judged = [distance(each.sample(self.images, self.seed + 1).images) for each in made]
        best = judged.index(min(judged))
        return Calibration(
            made[best], own, every[best], judged[0], judged[best], found.trials, found.discrepancy, found.checks
        )

    def check(self, simulator: Simulator, target: Unlabelled) -> Space:
        """The space that is searched, or the `InputError` that `fit` would raise: no images of the simulator's size and
        channels, too few, an unknown parameter, or none that is free."""
        return refuse_unfit(simulator, target, self.parameters)

    @property
    def reads(self) -> int:
        """The most real images that are calibrated by."""
        return self.images

    @property
    def rendered(self) -> int:
        """Images rendered at once to learn from."""
        raise NotImplementedError

    def distance_to(self, space: Space, simulator: Simulator) -> Callable[[Tensor], Distance]:
        """What makes of real images the distance of rendered ones to them."""
        raise NotImplementedError

    def find(self, sought: Sought) -> Found:
        """Look for the point whose ranges make the real images that are seen."""
        raise NotImplementedError

    def _made_by(self, simulator: Simulator, target: Unlabelled) -> dict[str, Any]:
        """What the trials of a study follow from, as plain data."""
        some = target.inputs[torch.linspace(0, len(target) - 1, min(len(target), 100)).long()]
        plain = {key: value for key, value in to_dict(self).items() if key != "trials" or not self.any_number}
        return {
            "method": self.name,
            "simulator": {"class": type(simulator).__name__, **to_dict(simulator)},
            "calibrate": plain,
            "target": [len(target), float(some.double().mean()), float(some.double().std())],
        }


def refuse_unfit(
    simulator: Simulator, target: Unlabelled, parameters: tuple[str, ...] | None, narrowest: float = 0.0
) -> Space:
    """The space that is searched, or an `InputError` where the simulator cannot be compared with the target."""
    expected = (simulator.channels, *simulator.size)
    if target.shape != expected:
        raise InputError(
            f"calibrate compares images of one shape: the target has {target.shape}, the simulator renders {expected}"
        )
    if len(target) < FEWEST:
        raise InputError(f"calibrate found {len(target)} images in the target, expected {FEWEST} at least")
    space = Space.of(simulator, parameters, narrowest)
    if not space.names:
        raise InputError("calibrate found no parameter to search: each stays at one value, expected a range of some")
    return space


def shuffled(target: Unlabelled, seed: int) -> Tensor:
    """The places of the target's images, in an order that follows from the seed."""
    return torch.randperm(len(target), generator=torch.Generator().manual_seed(seed))


def parted(target: Unlabelled, most: int, held: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) of the target: `most` at most to calibrate by, and `held`, or an eighth, to judge by."""
    order = shuffled(target, seed)
    first = len(order) - min(held, len(order) // 8)
    return target.inputs[order[:first][:most]], target.inputs[order[first:]]
