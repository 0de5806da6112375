"""What all estimates share: the result, the reasons to give none, and intervals by resampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.groups import independent_units, redrawn, student_t
from ...errors import InputError
from ...tasks import Classification, Detection, Segmentation
from ..agreement_rates import NORMAL
from ..validators import (
    Pool,
    against_labels,
    apart,
    averages,
    boxes_collapsed,
    collapsed,
    has_learnt,
    least_held_out,
    most_frequent,
)

DRAWS = 200  # resamples of a bootstrap
ONE_CLASS = 0.97  # a candidate that predicts one class for this share of the target or more shows nothing


class NoEstimate(InputError):
    """The pool does not determine an estimate; the message says why, and how to mend it."""


@dataclass(frozen=True)
class Estimate:
    """An estimated accuracy or mean error, and its 95 % interval."""

    value: float
    low: float
    high: float


Statistic = Callable[[Tensor, Tensor, Tensor | None], float]
Samples = tuple[int, Tensor | None]  # number of samples, and the group of each
ALONE: Samples = (1, None)


def bootstrap(statistic: Statistic, sources: Samples, targets: Samples, draws: int = 1) -> Estimate:
    """A statistic of samples, and its percentiles over resamples.

    With few groups, percentiles are too close to the value. Their log ratio to it is multiplied by the factor by which
    Student's t interval of so few groups is wider than their spread.

    Args:
        statistic: 0 or more; computed from source indices, target indices, and a random number 0..draws - 1, which is
            the first of a tensor. The last argument is None for the value itself.
        sources, targets: samples that are resampled.
        draws: how many different numbers the statistic is given, to include a random deviation of its own.
    """
    generator = torch.Generator().manual_seed(0)

    def resampled() -> float:
        index = [redrawn(count, groups, generator) for count, groups in (sources, targets, (draws, None))]
        return statistic(index[0], index[1], index[2])

    value = statistic(torch.arange(sources[0]), torch.arange(targets[0]), None)
    spread = torch.tensor([resampled() for _ in range(DRAWS)], dtype=torch.float64)
    low, high = spread.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    units = min(independent_units(*samples) for samples in (sources, targets) if samples is not ALONE)
    wider = student_t(units - 1) / NORMAL * math.sqrt(units / (units - 1))
    if value > 0:
        low, high = (value * (end / value) ** wider for end in (low, high))
    return Estimate(value, min(low, value), max(high, value))


def check_estimable(pool: Pool, index: int) -> None:
    """Raise `NoEstimate` if no estimate of this candidate can be trusted, whatever the method."""
    classes, count = isinstance(pool.task, Classification), len(pool.labels)
    least = least_held_out(pool.task.outputs if classes else 0)
    if count < least:
        raise NoEstimate(
            f"no estimate: found {count} held-out source samples, expected {least} or more. Give more source samples"
        )
    for domain, groups in (("held-out source", pool.source_groups), ("target", pool.target_groups)):
        if groups is not None and len(groups.unique()) < 2:
            raise NoEstimate(
                f"no estimate: all {domain} samples are of one group, expected two or more. Give samples of more "
                "groups, or no groups if the samples are independent"
            )
    if isinstance(pool.task, Segmentation):
        check_masks(pool, index, pool.task)
    if isinstance(pool.task, Detection):
        check_boxes(pool, index, pool.task)
    if not classes:
        return
    name = pool.candidates[index].name
    if not has_learnt(pool.source, pool.labels, pool.task)[index]:
        right = 1 - float(errors_on_source(pool, index).mean())
        raise NoEstimate(
            f"no estimate: '{name}' has not learnt the source: it predicts {right:.0%} of the held-out samples "
            "correctly, expected reliably more than chance and nearly as many as the best. Train it longer"
        )
    if one_class(pool.candidates[index].target):
        raise NoEstimate(
            f"no estimate: '{name}' predicts one class for nearly all target samples, expected different classes. Its "
            "agreement with others shows nothing. Choose another route"
        )


def check_masks(pool: Pool, index: int, task: Segmentation) -> None:
    """Raise `NoEstimate` if the masks of this candidate show nothing, see `check_estimable`."""
    one = pool.candidates[index]
    if not has_learnt(pool.source, pool.labels, task)[index]:
        found = 1 - float(apart(task, one.source, pool.labels).nanmean())
        raise NoEstimate(
            f"no estimate: '{one.name}' has not learnt the source: the IoU of the foreground is {found:.2f} on "
            "held-out images, expected nearly that of the best route, and more than with the masks of other images. "
            "Train it longer"
        )
    why = collapsed(one.target, one.source, task)
    if why is not None:
        raise NoEstimate(f"no estimate: '{one.name}': {why}. Choose another route")


def check_boxes(pool: Pool, index: int, task: Detection) -> None:
    """Raise `NoEstimate` if the boxes of this candidate show nothing, see `check_estimable`."""
    one = pool.candidates[index]
    if not has_learnt(pool.source, pool.labels, task)[index]:
        found = float(averages(against_labels(one.source, pool.labels, len(task.classes))).nanmean().nan_to_num(0))
        raise NoEstimate(
            f"no estimate: '{one.name}' has not learnt the source: AP50 is {found:.2f} on held-out images, expected "
            "nearly that of the best route, and more than against the boxes of other images. Train it longer"
        )
    why = boxes_collapsed(one.target, one.source, task)
    if why is not None:
        raise NoEstimate(f"no estimate: '{one.name}': {why}. Choose another route")


def one_class(outputs: Tensor) -> bool:
    """Whether probabilities (N, C) predict a single class for nearly all samples (`ONE_CLASS` or more)."""
    return most_frequent(outputs)[1] >= ONE_CLASS * len(outputs)


def enough(count: int, least: int, what: str, why: str) -> None:
    """Raise `NoEstimate` if there are too few candidates."""
    if count < least:
        raise NoEstimate(f"no estimate: found {count} {what}, expected {least} or more to {why}. Train more routes")


def errors_on_source(pool: Pool, index: int) -> Tensor:
    """Error of one candidate on each held-out source sample (N,) float64, in the units of `validators.apart`."""
    predictions = pool.task.predict(pool.candidates[index].source)
    return apart(pool.task, predictions, pool.labels).nan_to_num(0).double()


def samples_of(pool: Pool) -> tuple[Samples, Samples]:
    """Held-out source samples and target samples of a pool."""
    return (len(pool.labels), pool.source_groups), (len(pool.candidates[0].target), pool.target_groups)


def deviations(freedom: int, pairs: int) -> Tensor:
    """`DRAWS` quantiles (DRAWS,) float64 of the deviation of one more pair, in standard deviations of the pairs.

    Pairs share candidates, so they are not independent. Student's t has `freedom` degrees of freedom, which follow from
    the number of candidates.
    """
    from scipy import stats

    quantiles = stats.t.ppf((torch.arange(DRAWS, dtype=torch.float64) + 0.5) / DRAWS, freedom)
    found: Tensor = torch.from_numpy(quantiles) * math.sqrt(1 + 1 / pairs)
    return found


def judges(pool: Pool, index: int, hint: str) -> tuple[list[int], Tensor]:
    """The other candidates that have learnt the source, and draws of them, (DRAWS, K).

    Args:
        hint: what to do with more candidates, for the message.

    Raises:
        NoEstimate: there is none.
    """
    learnt = has_learnt(pool.source, pool.labels, pool.task)
    others = [k for k, of in enumerate(learnt) if of and k != index]
    enough(len(others), 1, "other candidate(s) that have learnt the source", hint)
    generator = torch.Generator().manual_seed(0)
    return others, torch.randint(len(others), (DRAWS, len(others)), generator=generator)


def normal_deviations(off: float) -> Tensor:
    """One deviation of the estimate from the truth for each draw, (DRAWS,) float64: evenly spread normal quantiles."""
    quantiles: Tensor = torch.special.ndtri((torch.arange(DRAWS, dtype=torch.float64) + 0.5) / DRAWS)
    return off * quantiles
