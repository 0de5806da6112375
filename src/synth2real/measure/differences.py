"""Whether the labels of two images differ, for every kind of label."""

from __future__ import annotations

from torch import Tensor

from ..data.domains import Labelled
from ..data.labels import Boxes, Masks
from . import box_checks, mask_checks

DIFFERENT = 1.0  # standard deviations of a label column between two different labels


def different(domain: Labelled, pairs: Tensor) -> Tensor:
    """Which pairs (P, 2) of samples have different labels, (P,) bool.

    Class labels differ if they are not the same, masks in half of their foreground or more, and boxes if less than half
    match. Values differ by more than one standard deviation of a column.
    """
    labels = domain.labels
    if isinstance(labels, Masks):
        return mask_checks.different(labels, pairs)
    if isinstance(labels, Boxes):
        return box_checks.different(labels, pairs)
    one, other = pairs.unbind(1)
    if domain.classes:
        return labels[one] != labels[other]  # type: ignore[no-any-return]
    known = labels.nan_to_num(0)
    found: Tensor = ((known[one] - known[other]).abs() > DIFFERENT * known.std(0)).any(1)
    return found
