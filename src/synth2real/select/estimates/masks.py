"""Estimates of the mean IoU of masks on the unlabelled target."""

from __future__ import annotations

import torch
from torch import Tensor

from ...tasks.metrics.masks import confusions
from ...tasks.prediction_distance import most_probable
from ..validators import Pool
from .base import DRAWS, Estimate, bootstrap, judges, normal_deviations, samples_of

LEAST = 1e-3  # an IoU is kept this far from 0 and 1 in log odds
ABSENT = 1e-4  # share of all points below which the expected union of a class is not in the mean
# On real pupils and nuclei (dev labels), see docs/validators.md; in log odds.
SHARED = 0.2  # errors that all candidates make on real images, and no agreement shows
OFF = 0.4  # standard deviation of the estimate around the truth


def mask_agreement(pool: Pool, index: int) -> Estimate:
    """The IoU on the source, moved by as much as the agreement with the other candidates changes.

    For each class, the agreement of a candidate is the expected IoU of its masks with the mean probabilities of the
    others that have learnt the source, pooled over all images; probabilities are at the temperature of the held-out
    source. The estimate is, in log odds,

        IoU on the source + agreement on the target - agreement on the source - `SHARED`,

    and then the mean over the classes. Pooled intersections and unions are sums of expectations, so that they need no
    independent errors in one image. The interval resamples images (or groups) of both domains and the other
    candidates, and adds a deviation of `OFF`.

    Known failures: errors that all candidates share on the target only, such as a part that none of them takes for the
    object; the estimate is too high then.

    Raises:
        NoEstimate: no other candidate has learnt the source.

    References:
        After Baek, Jiang, Raghunathan & Kolter (2022, agreement-on-the-line, NeurIPS) and Jiang et al. (2022, ICLR).
    """
    others, draws = judges(pool, index, "compare their masks")
    sums = [
        torch.stack([part[index, others] for part in (domain.common, domain.union)]) for domain in pool.mask_overlaps
    ]  # (2, K, N, C) each
    right = _right(pool, index)
    off = normal_deviations(OFF)

    def statistic(i: Tensor, j: Tensor, k: Tensor | None) -> float:
        chosen = torch.arange(len(others)) if k is None else draws[k[0]]
        known = _log_odds(right[:, i].sum(1))
        source, target = (
            _log_odds(part[:, chosen][:, :, at].sum((1, 2)) / len(chosen))
            for part, at in zip(sums, (i, j), strict=True)
        )
        moved = 0.0 if k is None else float(off[k[0]])
        return float((known + target - source - SHARED + moved).sigmoid().nanmean().nan_to_num(0))

    return bootstrap(statistic, *samples_of(pool), DRAWS)


def _right(pool: Pool, index: int) -> Tensor:
    """Intersection and union of the masks with the labels of each held-out image, in points, (2, N, C) float64."""
    counts = confusions(most_probable(pool.candidates[index].source), pool.labels, pool.task.outputs).double()
    common = counts.diagonal(dim1=1, dim2=2)
    return torch.stack([common, counts.sum(1) + counts.sum(2) - common])


def _log_odds(sums: Tensor) -> Tensor:
    """Log odds (C,) of intersections over unions (2, C); nan for a class of which there is next to nothing."""
    share = (sums[0] / sums[1].clamp(min=1e-9)).clamp(LEAST, 1 - LEAST)
    return torch.where(sums[1] < ABSENT * sums[1].sum(), torch.nan, share.logit())
