"""The gap before and after each route, with intervals over samples.

Only the report computes these intervals, because they take time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..comparison.comparison import SOURCE_ONLY, Comparison, some
from ..comparison.evaluation import SHOWN
from ..data.domains import Labelled, Unlabelled, evenly, to_float
from ..data.groups import of_samples
from ..measure.data_checks import grey
from ..measure.gap import LEAST, Distance, proxy_gap
from ..training.model import Model

PIXELS = 8  # side of the small images on which a gap is measured if no model supplies features


def as_pixels(domain: Unlabelled) -> Tensor:
    """Features (N, F) of at most 1,000 samples: images as small grey images, feature vectors unchanged."""
    inputs = some(domain).inputs
    images = len(domain.shape) == 3
    return grey(inputs, PIXELS).flatten(1) if images else to_float(inputs[torch.arange(len(inputs))])


def rows(comparison: Comparison) -> list[dict[str, Any]]:
    """The rows of a comparison and of its aggregates, with `gap_before_interval` and `gap_after_interval` [low, high].

    An interval is computed for the first seed of a route. It is then centred on the mean gap of all seeds. Aggregates
    have no intervals.
    """
    first = comparison.candidates[0].trials[0].run
    raw = comparison.raw or first.rendered
    model = first.model if comparison.candidates[0].name == SOURCE_ONLY else None
    before = _gap(model, raw, comparison)
    found = []
    for candidate, row in zip(comparison.candidates, comparison.rows(), strict=True):
        run = candidate.trials[0].run
        after = _gap(run.model, run.trained_on, comparison)
        found.append(
            {
                **row,
                "gap_before_interval": _about(row["gap_before"], before),
                "gap_after_interval": _about(row["gap_after"], after),
            }
        )
    none = {"gap_before_interval": None, "gap_after_interval": None}
    return found + [{**one.row(comparison.metric), **none} for one in comparison.aggregates]


def _gap(model: Model | None, source: Labelled, comparison: Comparison) -> Distance | None:
    """The gap with its interval, which resamples whole groups of the target. None with too few samples."""
    target = comparison.target
    if min(len(source), len(target)) < LEAST:
        return None
    both = (source.unlabelled(), target)
    ours, theirs = (as_pixels(one) if model is None else model.embed_alone(some(one).inputs) for one in both)
    return proxy_gap(ours, theirs, groups=(None, of_samples(comparison.target_groups, evenly(len(target), SHOWN))))


def _about(value: float, found: Distance | None) -> list[float] | None:
    """The interval, shifted so that it belongs to `value`, and clamped to the distance's range 0..2."""
    if found is None:
        return None
    return [min(max(end - found.value + value, 0.0), 2.0) for end in (found.low, found.high)]
