"""Gap between two domains: five distances, each with a 95 percent interval and its meaning. No labels are used."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Labelled, Unlabelled, check_domains, to_float
from ..data.groups import Groups, check_groups, halves, of_samples
from ..data.objects import as_unlabelled
from ..errors import InputError
from ..training.model import Model
from .distances import (
    coral,
    kernel_distance,
    median_distance,
    mmd,
    proxy_a_distance,
    root_mean_square,
    sliced_wasserstein,
)

PROXY = "proxy_a_distance"
UNLIMITED = (-math.inf, math.inf)
LIMITS = {PROXY: (0.0, 2.0)}  # values that a distance can have
# what each of the other distances compares, as the subject of a sentence
DIFFER = {
    "mmd": "The distributions, compared at five scales,",
    "coral": "The covariances",
    "sliced_wasserstein": "The distributions of single features and of their mixtures",
    "kid": "The means, covariances and skewnesses",
}
LEAST = 20  # minimum samples per domain: half of them must be enough to train and test a classifier
SIDE = 8  # minimum pixels of the shorter side of an image after pooling
Index = Tensor | slice  # of samples
Measure = Callable[[Index, Index], float]  # distance between selected samples of both domains


@dataclass(frozen=True)
class Distance:
    """One distance of a gap.

    Args:
        value: on all samples.
        low, high: its 95 percent confidence interval.
        noise: what sampling alone gives: the 95 percent quantile of the distance between random halves of one domain.
        halved: mean distance between random halves of both domains. It has the sample size of `noise`, to compare.
    """

    value: float
    low: float
    high: float
    noise: float = -math.inf
    halved: float = math.nan

    @property
    def real(self) -> bool:
        """Whether the domains differ by more than two halves of one domain do."""
        return self.halved > self.noise

    def beyond(self, noise: float) -> Self:
        """The same distance with at least this noise."""
        return replace(self, noise=max(self.noise, noise))


@dataclass(frozen=True)
class Gap:
    """Distances between two domains.

    Args:
        distances: by name, in the order of `measure_gap`.
        on: what was compared, for example `pixels of 1x9x9`.
        source, target: number of samples used of each domain.
    """

    distances: dict[str, Distance]
    on: str
    source: int
    target: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what was compared, and `{value, low, high, noise, meaning}` for each distance."""
        rows = {
            name: {"value": d.value, "low": d.low, "high": d.high, "noise": d.noise, "meaning": self.meaning(name)}
            for name, d in self.distances.items()
        }
        return {"on": self.on, "source": self.source, "target": self.target, **rows}

    def meaning(self, name: str) -> str:
        """What the distance of that name says, in one sentence."""
        distance = self.distances[name]
        noise = (
            f"halves of the two domains are {max(distance.halved, 0):.2g} apart, two halves of one domain up to "
            f"{max(distance.noise, 0):.2g}"
        )
        beyond = f"beyond sampling noise ({noise})" if distance.real else f"within sampling noise ({noise})"
        if name == PROXY:
            error = (2 - distance.value) / 4
            return f"A linear classifier {_told(distance)}: it is wrong for {error:.0%} of new samples, {beyond}."
        return f"{DIFFER[name]} {'differ' if distance.real else 'do not differ measurably'}, {beyond}."


def measure_gap(
    source: Labelled | Unlabelled,
    target: Labelled | Unlabelled,
    *,
    features: Model | None = None,
    most: int = 1000,
    resamples: int = 40,
    seed: int = 0,
    groups: tuple[Groups, Groups] = (None, None),
) -> Gap:
    """The gap between two domains, on pixels or on the features of a model.

    The distances are `proxy_a_distance` (2: a linear classifier separates the domains; 0: none does), `mmd`, `coral`,
    `sliced_wasserstein` and `kid`, see `distances`. Compare values of one distance only on the same pixels or features.

    The intervals come from the half-sample bootstrap. Each distance is computed again on random halves of both domains,
    sampled without replacement. Their spread equals that of the estimate on all samples. (With replacement, a sample
    could occur twice. A kernel distance would treat this as structure, and a classifier could train and test on it.)

    Args:
        source, target: images of one shape, or features of one width, 20 samples or more each.
        features: a model; its features are compared, of the inputs without given columns. The default is pixels, each
            channel average-pooled to a shorter side of 8 to 15 pixels.
        most: maximum number of samples per domain, selected at random.
        resamples: number of halves for the intervals.
        seed: seed of all randomness.
        groups: person or video of each source and target sample, (N,) and (M,) int64. No group is split.

    Raises:
        InputError: the domains differ in shape or have too few samples, the model does not take the inputs, or the
            groups do not match the samples.

    References:
        Politis & Romano (1994). Large sample confidence regions based on subsamples under minimal assumptions.
    """
    source, target = _as_domains(source, target, features, groups)
    generator = torch.Generator().manual_seed(seed)
    indices = [_some(len(domain), most, generator) for domain in (source, target)]
    inputs = [domain.inputs[index] for domain, index in zip((source, target), indices, strict=True)]
    sampled_groups = of_samples(groups[0], indices[0]), of_samples(groups[1], indices[1])
    x, y = (_pixels(z) if features is None else features.embed_alone(z) for z in inputs)
    on = f"features ({x.shape[1]})" if features is not None or inputs[0].ndim == 2 else _size_of(inputs[0])
    measures = _measures(x, y, sampled_groups, y, seed, most)
    resampled = _resampled(x, y, sampled_groups, resamples, generator)
    found = {name: _interval(measure, resampled, LIMITS.get(name, UNLIMITED)) for name, measure in measures.items()}
    for z, group in zip((x, y), sampled_groups, strict=True):
        parted = [_parted(len(z), group, generator) for _ in range(-(-resamples // 2))]
        for name, measure in _measures(z, z, (group, group), y, seed, most).items():
            found[name] = found[name].beyond(_quantile(measure, parted))
    return Gap(found, on, len(x), len(y))


def _as_domains(
    source: Labelled | Unlabelled,
    target: Labelled | Unlabelled,
    features: Model | None,
    groups: tuple[Groups, Groups],
) -> tuple[Labelled | Unlabelled, Labelled | Unlabelled]:
    """What a user gave as domains. Raise `InputError` if they cannot be compared, see `measure_gap`."""
    source, target = (
        as_unlabelled(x, f"the {what} is", allowed=(Labelled,)) for what, x in (("source", source), ("target", target))
    )
    for what, domain in (("source", source), ("target", target)):
        if features is not None:
            features.check(domain.inputs, f"the {what}")
        if len(domain) < LEAST:
            raise InputError(f"the {what} holds {len(domain)} samples, expected {LEAST} or more to compare")
    check_domains(source, target)
    check_groups({"source": groups[0], "target": groups[1]}, {"source": len(source), "target": len(target)})
    return source, target


def _measures(
    x: Tensor, y: Tensor, groups: tuple[Groups, Groups], scale: Tensor, seed: int, most: int
) -> dict[str, Measure]:
    """The five distances between features (N, F) and (M, F), by name. The unit of the kernels is that of `scale`."""
    # The units of the kernels are fixed here, so that they are the same for all halves.
    bandwidth, unit = median_distance(scale), root_mean_square(scale)
    return {
        PROXY: _proxy(x, y, groups, seed, most),
        "mmd": lambda i, j: mmd(x[i], y[j], bandwidth),
        "coral": lambda i, j: coral(x[i], y[j]),
        "sliced_wasserstein": lambda i, j: sliced_wasserstein(x[i], y[j], seed=seed),
        "kid": lambda i, j: kernel_distance(x[i], y[j], unit),
    }


def proxy_gap(
    x: Tensor, y: Tensor, *, resamples: int = 20, seed: int = 0, groups: tuple[Groups, Groups] = (None, None)
) -> Distance:
    """Only the proxy A-distance, for given features, with its interval as in `measure_gap`.

    Args:
        x, y: (N, F) and (M, F) float32, `LEAST` samples or more each.
        resamples, seed, groups: as in `measure_gap`.
    """
    resampled = _resampled(x, y, groups, resamples, torch.Generator().manual_seed(seed))
    return _interval(_proxy(x, y, groups, seed), resampled, LIMITS[PROXY])


def _proxy(x: Tensor, y: Tensor, groups: tuple[Groups, Groups], seed: int, most: int = 1000) -> Measure:
    """Proxy A-distance as a function of the sample indices, with the groups of the samples."""
    return lambda i, j: proxy_a_distance(x[i], y[j], seed, most, (of_samples(groups[0], i), of_samples(groups[1], j)))


def _resampled(
    x: Tensor, y: Tensor, groups: tuple[Groups, Groups], resamples: int, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """Indices of a random half of each domain, `resamples` times."""
    return [(_half(len(x), groups[0], generator), _half(len(y), groups[1], generator)) for _ in range(resamples)]


def _half(count: int, groups: Groups, generator: torch.Generator) -> Tensor:
    """Indices of a random half of the samples, or of about half of them in whole groups."""
    parts = None
    if groups is not None:
        parts = halves(count, groups, LEAST // 2, int(torch.randint(2**31, (), generator=generator)))
    if parts is None:
        return _some(count, count // 2, generator)
    return parts[int(torch.randint(2, (), generator=generator))]  # the second part is larger by up to one group


def _parted(count: int, groups: Groups, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Indices of two disjoint random halves of one domain, of about half of it in whole groups if it has groups."""
    parts = None
    if groups is not None:
        parts = halves(count, groups, LEAST // 2, int(torch.randint(2**31, (), generator=generator)))
    first, second = parts or _some(count, count, generator).chunk(2)
    return first, second


def _quantile(measure: Measure, parted: list[tuple[Tensor, Tensor]]) -> float:
    """The 95 percent quantile of the distance between these parts."""
    return float(torch.tensor([measure(*parts) for parts in parted], dtype=torch.float64).quantile(0.95))


def _interval(
    measure: Measure, resampled: list[tuple[Tensor, Tensor]], limits: tuple[float, float] = UNLIMITED
) -> Distance:
    """The value on all samples. The spread of the values on halves, centred on it, gives the interval."""
    value = measure(slice(None), slice(None))
    again = torch.tensor([measure(*half) for half in resampled], dtype=torch.float64)
    spread = (value + again - again.mean()).clamp(*limits)
    low, high = spread.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Distance(value, min(low, value), max(high, value), halved=float(again.mean()))


def _told(distance: Distance) -> str:
    """Whether a linear classifier tells the domains apart."""
    if not distance.real:
        return "does not tell the domains apart"
    if distance.value < LIMITS[PROXY][1] / 4:
        return "hardly tells the domains apart"
    return f"tells the domains apart {'almost always' if distance.value > 0.9 * LIMITS[PROXY][1] else 'often'}"


def _some(count: int, most: int, generator: torch.Generator) -> Tensor:
    """At most `most` random indices of `count`."""
    return torch.randperm(count, generator=generator)[:most]


def _factor(images: Tensor) -> int:
    return max(1, min(images.shape[2:]) // SIDE)


def _pixels(inputs: Tensor) -> Tensor:
    """Average-pooled and flattened images, (N, F) float32. Features do not change."""
    x = to_float(inputs)
    return F.avg_pool2d(x, _factor(x)).flatten(1) if x.ndim == 4 else x


def _size_of(images: Tensor) -> str:
    height, width = (side // _factor(images) for side in images.shape[2:])
    return f"pixels of {images.shape[1]}x{height}x{width}"
