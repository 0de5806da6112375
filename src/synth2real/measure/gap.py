"""Gap: how far two domains lie apart, by five distances, each with its interval. No label is read."""

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

LEAST = 20  # samples of each domain: half of them must still train and test a classifier
SIDE = 8  # pixels that the shorter side of an image is averaged down to, at least
Index = Tensor | slice  # of samples
Measure = Callable[[Index, Index], float]  # a distance between these samples of one domain and of the other


@dataclass(frozen=True)
class Distance:
    """One distance of a gap: its value, and the interval that holds it with 95 percent confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gap:
    """Distances between two domains.

    Args:
        distances: by name, in the order of `measure_gap`.
        on: what was compared, e.g. `pixels of 1x9x9`.
        source, target: samples taken of each.
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
    """The gap between two domains on their pixels, or on the features of a model.

    `proxy_a_distance` (2: a line tells them apart; 0: none does), `mmd`, `coral`, `sliced_wasserstein` and `kid`, as
    `distances` defines them. Values of one kind compare where they are on the same pixels or the same features.

    The intervals are those of the half-sample bootstrap: each distance anew on random halves of both domains, drawn
    without replacement, whose spread is that of the whole sample's estimate. (Drawn with replacement, samples would
    stand twice in a domain, which a kernel distance takes for structure, and on both sides of a classifier's split.)

    Args:
        source, target: images of one shape, or features of one width, 20 samples or more each.
        features: a model whose features are compared; by default pixels, each channel averaged down to a side of
            8 to 15 pixels.
        most: samples taken of each domain, at random.
        resamples: halves drawn for the intervals.
        seed: of everything random.
        groups: of the source's and of the target's samples, (N,) and (M,) int64, the person or video of each: drawn
            whole, and on one side of a classifier's split.

    Raises:
        InputError: domains of differing shapes, too few samples, inputs that the model does not take, or other than one
            group a sample.

    References:
        Politis & Romano (1994). Large sample confidence regions based on subsamples under minimal assumptions.
    """
    generator = torch.Generator().manual_seed(seed)
    for what, domain in (("source", source), ("target", target)):
        if features is not None:
            features.check(domain.inputs, f"the {what}")
        if len(domain) < LEAST:
            raise InputError(f"the {what} holds {len(domain)} samples, expected {LEAST} or more to compare")
    check_domains(source, target)
    check_groups({"source": groups[0], "target": groups[1]}, {"source": len(source), "target": len(target)})
    some = [_some(len(domain), most, generator) for domain in (source, target)]
    drawn = [domain.inputs[index] for domain, index in zip((source, target), some, strict=True)]
    taken = of_samples(groups[0], some[0]), of_samples(groups[1], some[1])
    x, y = (_pixels(z) if features is None else features.embed(z) for z in drawn)
    on = f"features ({x.shape[1]})" if features is not None or drawn[0].ndim == 2 else _size_of(drawn[0])
    # The unit of the kernels is fixed once, so that all halves are measured by it.
    bandwidth, unit = median_distance(y), root_mean_square(y)
    measures: dict[str, Measure] = {
        "proxy_a_distance": _proxy(x, y, taken, seed, most),
        "mmd": lambda i, j: mmd(x[i], y[j], bandwidth),
        "coral": lambda i, j: coral(x[i], y[j]),
        "sliced_wasserstein": lambda i, j: sliced_wasserstein(x[i], y[j], seed=seed),
        "kid": lambda i, j: kernel_distance(x[i], y[j], unit),
    }
    resampled = _resampled(x, y, taken, resamples, generator)
    found = {name: _interval(measure, resampled) for name, measure in measures.items()}
    return Gap(found, on, len(x), len(y))


def proxy_gap(
    x: Tensor, y: Tensor, *, resamples: int = 20, seed: int = 0, groups: tuple[Groups, Groups] = (None, None)
) -> Distance:
    """Proxy A-distance alone, of features that are at hand, with its interval as in `measure_gap`.

    Args:
        x, y: (N, F) and (M, F) float32, `LEAST` samples or more each.
        resamples, seed, groups: as in `measure_gap`.
    """
    resampled = _resampled(x, y, groups, resamples, torch.Generator().manual_seed(seed))
    return _interval(_proxy(x, y, groups, seed), resampled)


def _proxy(x: Tensor, y: Tensor, groups: tuple[Groups, Groups], seed: int, most: int = 1000) -> Measure:
    """Proxy A-distance of the samples of these indices, with their groups."""
    return lambda i, j: proxy_a_distance(x[i], y[j], seed, most, (of_samples(groups[0], i), of_samples(groups[1], j)))


def _resampled(
    x: Tensor, y: Tensor, groups: tuple[Groups, Groups], resamples: int, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """Indices of a half of each domain, so many times."""
    return [(_half(len(x), groups[0], generator), _half(len(y), groups[1], generator)) for _ in range(resamples)]


def _half(count: int, groups: Groups, generator: torch.Generator) -> Tensor:
    """Indices of half of the samples, or of about half in whole groups, at random."""
    parts = None
    if groups is not None:
        parts = halves(count, groups, LEAST // 2, int(torch.randint(2**31, (), generator=generator)))
    if parts is None:
        return _some(count, count // 2, generator)
    return parts[int(torch.randint(2, (), generator=generator))]  # the second is the larger one by up to a group


def _interval(measure: Measure, resampled: list[tuple[Tensor, Tensor]]) -> Distance:
    """The value on all samples, and the spread of those on halves about it."""
    value = measure(slice(None), slice(None))
    again = torch.tensor([measure(*half) for half in resampled], dtype=torch.float64)
    low, high = (value + again - again.mean()).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Distance(value, min(low, value), max(high, value))


def _some(count: int, most: int, generator: torch.Generator) -> Tensor:
    """At most `most` of `count` indices, at random."""
    return torch.randperm(count, generator=generator)[:most]


def _factor(images: Tensor) -> int:
    return max(1, min(images.shape[2:]) // SIDE)


def _pixels(inputs: Tensor) -> Tensor:
    """Images averaged down and flattened, (N, F) float32; features as they are."""
    x = to_float(inputs)
    return F.avg_pool2d(x, _factor(x)).flatten(1) if x.ndim == 4 else x


def _size_of(images: Tensor) -> str:
    height, width = (side // _factor(images) for side in images.shape[2:])
    return f"pixels of {images.shape[1]}x{height}x{width}"
