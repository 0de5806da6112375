"""Estimates of AP50 on the unlabelled target: the AP50 on the source, moved by what changes from source to target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...data.labels import Boxes
from ..validators import Pool, against_labels, averages, curves
from ..validators.box_curves import Curve
from ..validators.boxes import Pairs, own_curves
from .base import DRAWS, Estimate, bootstrap, judges, normal_deviations, samples_of

LEAST = 1e-2  # an AP50 is kept this far from 0 and 1 in log odds
# In log odds, and near those for masks: they are not measured on real boxes, see docs/validators.md.
SHARED = 0.2  # errors that all candidates make on real images, and no agreement shows
OFF = 0.5  # standard deviation of the estimate around the truth

Expected = Callable[[Tensor | None, Tensor | None], Tensor]  # of weights (N,) of images and a draw of candidates, (C,)


def box_agreement(pool: Pool, index: int) -> Estimate:
    """The AP50 on the source, moved by as much as the agreement with the other candidates changes.

    For each class, the agreement of a candidate is the expected AP50 of its boxes, which are right with the mean
    probability of the boxes of the others that have learnt the source; probabilities are calibrated on the held-out
    source. The estimate is, in log odds,

        AP50 on the source + agreement on the target - agreement on the source - `SHARED`,

    and then the mean over the classes. The interval resamples images (or groups) of both domains and the other
    candidates, and adds a deviation of `OFF`.

    Known failures: errors that all candidates share on the target only, such as objects that none of them finds; the
    estimate is too high then. Objects without a label lower the AP50 on real images, but not the estimate.

    Raises:
        NoEstimate: no other candidate has learnt the source.

    References:
        After Baek, Jiang, Raghunathan & Kolter (2022, agreement-on-the-line, NeurIPS) and Jiang et al. (2022, ICLR).
    """
    others, draws = judges(pool, index, "compare their boxes")
    source, target = (
        _by_others(domain[index], found, index, others, draws)
        for domain, found in zip((pool.source, pool.target), pool.box_pairs, strict=True)
    )
    return _moved(pool, index, source, target)


def box_confidence(pool: Pool, index: int) -> Estimate:
    """The AP50 on the source, moved by as much as the AP50 by its own calibrated confidences changes.

    As `box_agreement`, but a box is right with its own probability. It needs no other candidate. A detector that was
    trained to be confident on the target is overrated, and so is every detector whose wrong boxes look like objects.
    """
    held = pool.source[index]
    domains = [own_curves(own[index], held, pool.labels, pool.classes) for own in (pool.source, pool.target)]
    source, target = ((lambda weights, _, each=each: averages(each, weights)) for each in domains)
    return _moved(pool, index, source, target)


def _moved(pool: Pool, index: int, source: Expected, target: Expected) -> Estimate:
    """The AP50 on the source, moved in log odds by the change of an expected AP50 from source to target."""
    right = against_labels(pool.source[index], pool.labels, pool.classes)
    off = normal_deviations(OFF)
    sizes = len(pool.labels), len(pool.target[index])

    def statistic(i: Tensor, j: Tensor, k: Tensor | None) -> float:
        ours, theirs = (torch.bincount(at, minlength=size).double() for at, size in zip((i, j), sizes, strict=True))
        known, here, there = (_log_odds(each) for each in (averages(right, ours), source(ours, k), target(theirs, k)))
        moved = 0.0 if k is None else float(off[k[0]])
        return float((known + there - here - SHARED + moved).sigmoid().nanmean().nan_to_num(0))

    return bootstrap(statistic, *samples_of(pool), DRAWS)


def _by_others(boxes: Boxes, found: Pairs, index: int, others: Sequence[int], draws: Tensor) -> Expected:
    """Expected AP50 of a candidate by the mean over the others, or over those of a draw."""
    each = [curves(boxes, *found.by(index, [k])) for k in others]
    right, objects = (
        [torch.stack([getattr(one, part) for one in of_class]) for of_class in zip(*each, strict=True)]
        for part in ("right", "objects")
    )

    def expected(weights: Tensor | None, k: Tensor | None) -> Tensor:
        chosen = torch.arange(len(others)) if k is None else draws[k[0]]
        means: list[Curve] = [
            replace(one, right=p[chosen].mean(0), objects=n[chosen].mean(0))
            for one, p, n in zip(each[0], right, objects, strict=True)
        ]
        return averages(means, weights)

    return expected


def _log_odds(shares: Tensor) -> Tensor:
    return shares.clamp(LEAST, 1 - LEAST).logit()
