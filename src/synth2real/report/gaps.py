"""The gap before and after each route, with intervals over samples; made for the report alone, as they take time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..comparison.comparison import SOURCE_ONLY, Comparison, evenly, shipped_source, some
from ..data.domains import Labelled, Unlabelled, to_float
from ..data.groups import of_samples
from ..measure.data_checks import grey
from ..measure.gap import LEAST, Distance, proxy_gap
from ..training.model import Model

PIXELS = 8  # side of the pictures that a gap is measured on where there is no model to see them by


def as_pixels(domain: Unlabelled) -> Tensor:
    """At most 1,000 samples as features (N, F): small grey pictures, or features as they are."""
    inputs = some(domain).inputs
    images = len(domain.shape) == 3
    return grey(inputs, PIXELS).flatten(1) if images else to_float(inputs[torch.arange(len(inputs))])


def rows(comparison: Comparison) -> list[dict[str, Any]]:
    """The rows of a comparison, with `gap_before_interval` and `gap_after_interval` [low, high], and its aggregates.

    Intervals are those of each route's first seed, about the mean of its seeds.
    """
    first = comparison.candidates[0].trials[0].run
    raw = comparison.raw or first.rendered
    model = first.model if comparison.candidates[0].name == SOURCE_ONLY else None
    before = _gap(model, raw, comparison)
    found = []
    for candidate, row in zip(comparison.candidates, comparison.rows(), strict=True):
        run = candidate.trials[0].run
        after = _gap(run.model, shipped_source(run), comparison)
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
    """None where the samples are too few for an interval; of the target, whole groups are drawn."""
    target = comparison.target
    if min(len(source), len(target)) < LEAST:
        return None
    both = (source.unlabelled(), target)
    ours, theirs = (as_pixels(one) if model is None else model.embed(some(one).inputs) for one in both)
    return proxy_gap(ours, theirs, groups=(None, of_samples(comparison.target_groups, evenly(len(target)))))


def _about(value: float, found: Distance | None) -> list[float] | None:
    """The interval moved to a value, within what the distance can be."""
    if found is None:
        return None
    return [min(max(end - found.value + value, 0.0), 2.0) for end in (found.low, found.high)]
