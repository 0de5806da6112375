"""Gap: how far two domains lie apart, by five distances, each with its interval. No label is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .distances import (
    coral,
    kernel_distance,
    median_distance,
    mmd,
    proxy_a_distance,
    root_mean_square,
    sliced_wasserstein,
)
from .domains import Labelled, Unlabelled, to_float
from .errors import InputError
from .model import Model
from .route import check_domains

LEAST = 20  # samples of each domain: half of them must still train and test a classifier
SIDE = 8  # pixels that the shorter side of an image is averaged down to, at least


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

    Raises:
        InputError: domains of differing shapes, too few samples, or inputs that the model does not take.

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
    drawn = [domain.inputs[_some(len(domain), most, generator)] for domain in (source, target)]
    x, y = (_pixels(z) if features is None else features.embed(z) for z in drawn)
    on = f"features ({x.shape[1]})" if features is not None or drawn[0].ndim == 2 else _size_of(drawn[0])
    # The unit of the kernels is fixed once, so that all halves are measured by it.
    measures: dict[str, Callable[[Tensor, Tensor], float]] = {
        "proxy_a_distance": partial(proxy_a_distance, seed=seed, most=most),
        "mmd": partial(mmd, bandwidth=median_distance(y)),
        "coral": coral,
        "sliced_wasserstein": partial(sliced_wasserstein, seed=seed),
        "kid": partial(kernel_distance, unit=root_mean_square(y)),
    }
    halves = _halves(x, y, resamples, generator)
    found = {name: _interval(measure, x, y, halves) for name, measure in measures.items()}
    return Gap(found, on, len(x), len(y))


def proxy_gap(x: Tensor, y: Tensor, *, resamples: int = 20, seed: int = 0) -> Distance:
    """Proxy A-distance alone, of features that are at hand, with its interval as in `measure_gap`.

    Args:
        x, y: (N, F) and (M, F) float32, `LEAST` samples or more each.
        resamples, seed: as in `measure_gap`.
    """
    halves = _halves(x, y, resamples, torch.Generator().manual_seed(seed))
    return _interval(partial(proxy_a_distance, seed=seed), x, y, halves)


def _halves(x: Tensor, y: Tensor, resamples: int, generator: torch.Generator) -> list[list[Tensor]]:
    return [[z[_some(len(z), len(z) // 2, generator)] for z in (x, y)] for _ in range(resamples)]


def _interval(measure: Callable[[Tensor, Tensor], float], x: Tensor, y: Tensor, halves: list[list[Tensor]]) -> Distance:
    value = measure(x, y)
    again = torch.tensor([measure(*half) for half in halves], dtype=torch.float64)
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
