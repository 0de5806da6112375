"""Decides without real labels which route to ship: the best one that is surely better than the baseline.

The baseline is training on the source alone, with the same randomization. Each term of a label-free score has a known
failure, so a route is also refused for the reasons in `guards` and for a label shift (`label_shift`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..data.groups import Groups, half_width
from ..tasks import Classification, Detection, Task
from ..tasks.boxes import matched
from ..tasks.prediction_distance import most_probable
from .guards import renamed
from .validators import clear_boxes, expected_ious, together

DOUBTED = 0.2  # share of uncertain source samples above which the doubt about target samples means nothing
JUDGES = 2  # other candidates that a candidate for classes, masks or boxes needs
IN_DOUBT = 0.5  # certainty of an image for masks or boxes below which it is uncertain
ALONE = (
    "fewer than two other routes have learnt the source and tell the target samples apart, so that nothing shows which "
    "one is right"
)


def surely_better(scores: Tensor, baseline: Tensor, groups: Groups = None) -> bool:
    """Whether the mean score is higher than the baseline's by more than the 95 % interval of the difference.

    Args:
        scores, baseline: scores (N,) on the same target samples.
        groups: group of each sample (N,), such as its video; the samples of a group are not independent. Within a
            single group nothing is sure.
    """
    difference = scores - baseline
    return float(difference.mean()) > half_width(difference, groups)


def refusal(
    scores: Tensor,
    baseline: Tensor,
    own: Any,
    others: Sequence[Any],
    task: Task,
    groups: Groups = None,
    than: str = "the baseline",
    *,
    voted: bool = True,
) -> str | None:
    """Why a candidate is not reliably better than the baseline, as a sentence; None if it is.

    Args:
        scores, baseline: scores (N,) of the candidate and of the baseline on the same target samples.
        own: predictions of the candidate for them.
        others: those of the other candidates that have learnt the source and are not constant.
        task: of all candidates.
        groups: group of each sample (N,).
        than: the baseline in the sentence.
        voted: whether the scores for classes, masks and boxes contain agreement. Between two candidates it cannot say
            which is right; their consistency and confidence alone would decide, and self-training optimises these.
    """
    if groups is not None and len(groups.unique()) < 2:
        return "all target samples are of one group, so that no difference between routes is sure"
    if not surely_better(scores, baseline, groups):
        return f"its label-free score is not significantly better than that of {than}"
    if voted and task.higher_is_better and len(others) < JUDGES:
        return ALONE
    return renamed(own, others, task, groups)


def source_in_doubt(held_out: Sequence[Any], task: Task) -> float:
    """Share of held-out source samples that are uncertain in the sense of `in_doubt`.

    Above `DOUBTED` the models have not learnt the source, and their doubt says nothing about a single sample.

    Args:
        held_out: probabilities (H, C) or (H, C, h, w), or boxes, of each route, on the same samples.
    """
    return len(in_doubt(held_out, task)) / len(held_out[0])


def in_doubt(predictions: Sequence[Any], task: Task) -> list[int]:
    """Indices of uncertain samples, the most uncertain first.

    A sample is uncertain if no class has a mean probability (over all routes) of at least (1 + 1 / C) / 2. This is
    halfway between chance and certainty. Such a sample is close to a class border, or is unreadable, or belongs to no
    class of the source. Nothing shows the last case before training. An image for masks or boxes is uncertain if
    its `certainty` is below `IN_DOUBT`.

    Args:
        predictions: probabilities (N, C) or (N, C, h, w), or boxes, of each route, on the same target samples.
    """
    if task.dense:
        sure = certainty(predictions, task).nan_to_num(1.0)
        order = sure.argsort()
        return order[sure[order] < IN_DOUBT].tolist()
    if not isinstance(task, Classification):
        return []
    confidence = together(predictions, task).amax(1)
    order = confidence.argsort()
    return order[confidence[order] < (1 + 1 / task.outputs) / 2].tolist()


def certainty(predictions: Sequence[Any], task: Task) -> Tensor:
    """How certain all routes together are of an image for a dense task, (N,) float64; nan where none finds anything.

    For masks it is the expected IoU of the foreground in the masks of all routes together. For boxes it is the mean
    agreement of two routes on their clear boxes (`boxes.matched`). Of one route alone it is the mean of the scores,
    weighed by themselves.

    Args:
        predictions: probabilities (N, C, h, w), or boxes, of each route, on the same images.
    """
    if not isinstance(task, Detection):
        mean = together(predictions, task)
        return expected_ious(most_probable(mean), mean)
    known = [clear_boxes(one) for one in predictions]
    if len(known) > 1:
        return torch.stack([matched(one, two) for one, two in itertools.combinations(known, 2)]).nanmean(0)
    (boxes,) = known
    sums = torch.zeros(len(boxes), dtype=torch.float64)
    scores = boxes.scores.double()
    return sums.index_add(0, boxes.image, scores.square()) / sums.index_add(0, boxes.image, scores)
