"""Gap between two domains: five distances, each with a 95 percent interval. No labels are used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Labelled, Unlabelled, check_domains, to_float
from ..data.groups import Groups, check_groups, halves, of_samples
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

LEAST = 20  # minimum samples per domain: half of them must be enough to train and test a classifier
SIDE = 8  # minimum pixels of the shorter side of an image after pooling
Index = Tensor | slice  # of samples
Measure = Callable[[Index, Index], float]  # distance between selected samples of both domains


@dataclass(frozen=True)
class Distance:
    """One distance of a gap: its value and its 95 percent confidence interval."""

    value: float
    low: float
    high: float


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
        """Plain data: what was compared, and `{value, low, high}` for each distance."""
        rows = {name: {"value": d.value, "low": d.low, "high": d.high} for name, d in self.distances.items()}
        return {"on": self.on, "source": self.source, "target": self.target, **rows}


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
        features: a model; its features are compared. The default is pixels, each channel average-pooled to a shorter
            side of 8 to 15 pixels.
        most: maximum number of samples per domain, selected at random.
        resamples: number of halves for the intervals.
        seed: seed of all randomness.
        groups: person or video of each source and target sample, (N,) and (M,) int64. A group is sampled as a whole,
            and is on one side of a classifier's split.

    Raises:
        InputError: the domains differ in shape or have too few samples, the model does not take the inputs, or the
            groups do not match the samples.

    References:
        Politis & Romano (1994). Large sample confidence regions based on subsamples under minimal assumptions.
    """
    _check(source, target, features, groups)
    generator = torch.Generator().manual_seed(seed)
    indices = [_some(len(domain), most, generator) for domain in (source, target)]
    inputs = [domain.inputs[index] for domain, index in zip((source, target), indices, strict=True)]
    sampled_groups = of_samples(groups[0], indices[0]), of_samples(groups[1], indices[1])
    x, y = (_pixels(z) if features is None else features.embed(z) for z in inputs)
    on = f"features ({x.shape[1]})" if features is not None or inputs[0].ndim == 2 else _size_of(inputs[0])
    measures = _measures(x, y, sampled_groups, seed, most)
    resampled = _resampled(x, y, sampled_groups, resamples, generator)
    found = {name: _interval(measure, resampled) for name, measure in measures.items()}
    return Gap(found, on, len(x), len(y))


def _check(
    source: Labelled | Unlabelled,
    target: Labelled | Unlabelled,
    features: Model | None,
    groups: tuple[Groups, Groups],
) -> None:
    """Raise `InputError` if the domains cannot be compared, see `measure_gap`."""
    for what, domain in (("source", source), ("target", target)):
        if features is not None:
            features.check(domain.inputs, f"the {what}")
        if len(domain) < LEAST:
            raise InputError(f"the {what} holds {len(domain)} samples, expected {LEAST} or more to compare")
    check_domains(source, target)
    check_groups({"source": groups[0], "target": groups[1]}, {"source": len(source), "target": len(target)})


def _measures(x: Tensor, y: Tensor, groups: tuple[Groups, Groups], seed: int, most: int) -> dict[str, Measure]:
    """The five distances between features (N, F) and (M, F), by name."""
    # The units of the kernels are fixed here, so that they are the same for all halves.
    bandwidth, unit = median_distance(y), root_mean_square(y)
    return {
        "proxy_a_distance": _proxy(x, y, groups, seed, most),
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
    return _interval(_proxy(x, y, groups, seed), resampled)


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


def _interval(measure: Measure, resampled: list[tuple[Tensor, Tensor]]) -> Distance:
    """The value on all samples. The spread of the values on halves, centred on it, gives the interval."""
    value = measure(slice(None), slice(None))
    again = torch.tensor([measure(*half) for half in resampled], dtype=torch.float64)
    low, high = (value + again - again.mean()).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Distance(value, min(low, value), max(high, value))


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
