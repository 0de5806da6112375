"""Estimates of the accuracy or mean error of a trained model on the unlabelled target, each with an interval.

No real label is used. Classes: accuracy, higher is better; never below chance, so an end at chance means chance or
below. Masks: mean IoU of all classes, and boxes: AP50; higher is better. Values: mean error, lower is better, in the
units of `validators.apart`.

An interval is computed by resampling samples, or whole groups if the pool has groups. It measures how much the estimate
depends on the samples. Estimates that use other candidates also include how far these deviate from the assumption. The
others do not measure whether their assumption holds. Only `disagreement_bound` accounts for the gap itself, under the
assumption given there. Where the pool does not determine an estimate, `NoEstimate` is raised and says why.
"""

from __future__ import annotations

from collections.abc import Callable

from ...errors import InputError
from ...settings import present_name
from ...tasks import Classification, Detection, Task
from ..validators import Pool
from .base import Estimate, NoEstimate, check_estimable, errors_on_source, one_class
from .bound import disagreement_bound
from .boxes import box_agreement, box_confidence
from .classes import (
    RATED,
    agreement_on_the_line,
    agreement_rates,
    fit_of_line,
    thresholded_confidence,
    transport,
)
from .masks import mask_agreement
from .values import APART, calibrated_disagreement, importance_weighting

__all__ = [
    "APART",
    "BOXES",
    "CLASSES",
    "MASKS",
    "METHODS",
    "RATED",
    "VALUES",
    "Estimate",
    "NoEstimate",
    "disagreement_bound",
    "errors_on_source",
    "estimate",
    "fit_of_line",
    "one_class",
]

CLASSES: dict[str, Callable[[Pool, int], Estimate]] = {
    "atc": thresholded_confidence,
    "cot": transport,
    "agreement-on-the-line": agreement_on_the_line,
    "agreement-rates": agreement_rates,
    "importance-weighting": importance_weighting,
}
MASKS: dict[str, Callable[[Pool, int], Estimate]] = {"mask-agreement": mask_agreement}
BOXES: dict[str, Callable[[Pool, int], Estimate]] = {
    "box-agreement": box_agreement,
    "box-confidence": box_confidence,
}
VALUES: dict[str, Callable[[Pool, int], Estimate]] = {
    "importance-weighting": importance_weighting,
    "calibrated-disagreement": calibrated_disagreement,
}
METHODS: dict[str, Callable[[Pool, int], Estimate]] = {**CLASSES, **VALUES, **MASKS, **BOXES}


def serving(task: Task) -> dict[str, Callable[[Pool, int], Estimate]]:
    """The estimates that support a task, by name."""
    if isinstance(task, Classification):
        return CLASSES
    return BOXES if isinstance(task, Detection) else MASKS if task.dense else VALUES


def estimate(name: str, pool: Pool, index: int = 0) -> Estimate:
    """Estimated accuracy, mean IoU, AP50 or mean error on the target of one candidate of a pool, by `name`.

    Raises:
        InputError: no estimate has this name, or it does not support the pool's task.
        NoEstimate: the pool does not determine it: fewer than 30 held-out source samples (classes: 5 for each, if that
            is more), all samples of one group, a candidate that has not learnt the source or predicts one class for
            nearly all of the target, or too few candidates for this estimate.
    """
    name = present_name("estimate", name)
    classes = isinstance(pool.task, Classification)
    known = serving(pool.task)
    if name not in known:
        raise InputError(
            f"estimate '{name}' is unknown or does not support the task {pool.task.kind}, "
            f"expected one of: {', '.join(known)}"
        )
    check_estimable(pool, index)
    found = known[name](pool, index)
    least = 1 / pool.task.outputs if classes else 0.0
    most = 1.0 if pool.task.higher_is_better else float("inf")
    return Estimate(*(min(max(value, least), most) for value in (found.value, found.low, found.high)))
