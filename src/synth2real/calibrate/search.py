"""Search: system identification by comparing rendered images with real ones, without a label on either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ..distances import median_distance, mmd, sliced_wasserstein
from ..domains import Unlabelled, to_float
from ..errors import InputError
from ..settings import settings
from ..simulate import Range, Simulator

if TYPE_CHECKING:
    import optuna

REACH = 2.0  # how far a centre may move, in widths of the simulator's own range
WIDEST = 2.0  # greatest width, in the same unit
SIDE = 16  # images are compared at most this large: a kernel sees no more in finer pixels, and is slower


@dataclass(frozen=True)
class Calibration:
    """What a search found.

    Args:
        simulator: with the ranges found.
        ranges_before: what each searched parameter was drawn from as given.
        ranges: those of the best trials.
        before, after: distance to the real images with the simulator's own ranges and with the new ones, on images
            that the search has not seen.
        trials: the distance of each trial, in order.
    """

    simulator: Simulator
    ranges_before: dict[str, Range]
    ranges: dict[str, Range]
    before: float
    after: float
    trials: tuple[float, ...]


@settings
class Search:
    """Finds the ranges of a simulator under which its images are hardest to tell from the real ones.

    For each parameter a centre and a width are searched by CMA-ES, both in units of the simulator's own range, which
    says how far the parameter plausibly varies. Each trial renders a sample, always from the same random numbers, so
    that two trials differ by their ranges and not by luck, and measures a two-sample distance to the real images. The
    width is kept above a share of the simulator's own: a distance rewards what is typical, training needs variety.

    Limits: it can only reach what some setting of the simulator renders; and parameters that move the pixels alike (the
    height and the blur of a small digit) are found together, not one by one.

    References:
        Hansen & Ostermeier (2001). Completely derandomized self-adaptation in evolution strategies.
        Gretton et al. (2012). A kernel two-sample test.

    Args:
        parameters: names of those to search; all that are not fixed by default.
        trials: of the search; the first is the simulator as given.
        images: rendered in each trial, and real images it is compared with.
        distance: `sliced-wasserstein` or `mmd`, on pixels and their local contrast. The first tells slant from turn.
        narrowest: least width of a range, in widths of the simulator's own.
        prior: how far the simulator's own centres are trusted: moving one of them by its own width costs this share of
            the first distance. It decides between settings that look alike, such as a rotation undone by a shear.
        seed: of the search and of the rendering.
    """

    parameters: tuple[str, ...] | None = None
    trials: int = Field(default=400, ge=1)
    images: int = Field(default=250, ge=20)
    distance: Literal["mmd", "sliced-wasserstein"] = "sliced-wasserstein"
    narrowest: float = Field(default=0.4, gt=0, le=1)
    prior: float = Field(default=0.1, ge=0)
    seed: int = 0

    def fit(self, simulator: Simulator, target: Unlabelled) -> Calibration:
        """Calibrate `simulator` to the images of `target`.

        Raises:
            InputError: the target holds no images of the simulator's size and channels, or a parameter is unknown.
        """
        import optuna

        self.check(simulator, target)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(target), generator=generator)
        real = describe(target.inputs[order[: self.images]])
        unseen = describe(target.inputs[order[-self.images :]])
        unit = median_distance(real)
        searched = self._searched(simulator)

        first: list[float] = []

        def score(trial: optuna.Trial) -> float:
            tried = simulator.with_ranges(**self._suggest(trial, simulator, searched))
            moved: float = sum(trial.params[f"{name}.centre"] ** 2 for name in searched)
            distance = self._distance(describe(tried.sample(self.images, self.seed).images), real, unit)
            first.append(distance)
            return distance + self.prior * first[0] * moved

        study = optuna.create_study(sampler=optuna.samplers.CmaEsSampler(seed=self.seed))
        study.enqueue_trial({f"{name}.centre": 0.0 for name in searched} | {f"{name}.width": 1.0 for name in searched})
        study.optimize(score, n_trials=self.trials)
        ranges = self._mean_of_best(study, simulator, searched)
        found = simulator.with_ranges(**ranges)
        before, after = (
            self._distance(describe(s.sample(self.images, self.seed + 1).images), unseen, unit)
            for s in (simulator, found)
        )
        ranges_before = {name: simulator.range(name) for name in ranges}
        trials = tuple(float(trial.value or 0.0) for trial in study.trials)
        return Calibration(found, ranges_before, ranges, before, after, trials)

    def check(self, simulator: Simulator, target: Unlabelled) -> None:
        """Raise the `InputError` that `fit` would raise."""
        expected = (simulator.channels, *simulator.size)
        if target.shape != expected:
            raise InputError(
                f"calibrate compares images of one shape: the target has {target.shape}, "
                f"the simulator renders {expected}"
            )
        known = {parameter.name for parameter in simulator.parameters}
        unknown = [name for name in self.parameters or () if name not in known]
        if unknown:
            raise InputError(f"calibrate.parameters names '{unknown[0]}', expected some of: {', '.join(sorted(known))}")

    def _searched(self, simulator: Simulator) -> list[str]:
        names = self.parameters or [parameter.name for parameter in simulator.parameters]
        return [name for name in names if simulator.range(name)[0] < simulator.range(name)[1]]

    def _distance(self, made: Tensor, real: Tensor, unit: float) -> float:
        return mmd(made, real, unit) if self.distance == "mmd" else sliced_wasserstein(made, real)

    def _suggest(self, trial: optuna.Trial, simulator: Simulator, names: list[str]) -> dict[str, Range]:
        return {
            name: self._range(
                simulator,
                name,
                trial.suggest_float(f"{name}.centre", -REACH, REACH),
                trial.suggest_float(f"{name}.width", self.narrowest, WIDEST),
            )
            for name in names
        }

    def _range(self, simulator: Simulator, name: str, centre: float, width: float) -> Range:
        """The range of a centre and a width, both in widths of the simulator's own, within the limits."""
        least, most = next(parameter.limits for parameter in simulator.parameters if parameter.name == name)
        low, high = simulator.range(name)
        half = min(width * (high - low), most - least) / 2
        middle = (low + high) / 2 + centre * (high - low)
        middle = min(max(middle, least + half), most - half)
        return max(least, middle - half), min(most, middle + half)

    def _mean_of_best(self, study: optuna.Study, simulator: Simulator, names: list[str]) -> dict[str, Range]:
        """The mean of the best tenth of the trials: one trial's distance is noisy, and so is its place."""
        ranked = sorted(study.trials, key=lambda trial: float(trial.value or 0.0))
        best = ranked[: max(1, len(ranked) // 10)]

        def mean(key: str) -> float:
            return sum(float(trial.params[key]) for trial in best) / len(best)

        return {name: self._range(simulator, name, mean(f"{name}.centre"), mean(f"{name}.width")) for name in names}


def describe(images: Tensor) -> Tensor:
    """What two samples of images are compared by: (N, F) float32 of pixels and of their local contrast.

    Args:
        images: (N, C, H, W) uint8 or float32 in 0..1.
    """
    x = to_float(images)
    edges = torch.stack([x.diff(dim=3).abs().mean((2, 3)), x.diff(dim=2).abs().mean((2, 3))], 1).flatten(1)
    levels = torch.quantile(x.flatten(2), torch.linspace(0, 1, 9), dim=2).permute(1, 0, 2).flatten(1)
    if max(x.shape[2:]) > SIDE:
        x = F.interpolate(x, (min(SIDE, x.shape[2]), min(SIDE, x.shape[3])), mode="area")
    # Each group is scaled so that one image's contrast, its histogram and its pixels count about alike.
    return torch.cat([x.flatten(1), 8 * edges, levels], dim=1)
