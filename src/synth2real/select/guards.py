"""Guards: reasons not to choose a route that a good label-free score does not show. Each is a sentence for the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.groups import half_width
from ..data.labels import Boxes
from ..tasks import Classification, Detection, Segmentation, Task
from ..tasks.boxes import matches
from .estimates import Estimate
from .estimates.base import one_class
from .validators import CandidateOutputs, boxes_collapsed, collapsed, most_frequent, moves_label, mutual_information

FOLLOWS = 0.4  # least correlation with known moves; 0.6 or more on real eyes, 0.2 or less where most points are wrong
POINTS = 16  # points a side of masks on which names of classes are compared
INFORMATIVE = 0.05  # least mutual information of sample and class, as a share of its maximum; 0.63 or more is usual


def constant(outputs: CandidateOutputs, task: Task) -> str | None:
    """A sentence if the predictions do not tell the target samples apart, else None.

    A target of one class is possible. But then nothing is known about the errors of a route, either.
    """
    if isinstance(task, Segmentation):
        return collapsed(outputs.target, outputs.held_out, task)
    if isinstance(task, Detection):
        return boxes_collapsed(outputs.target, outputs.held_out, task)
    if not isinstance(task, Classification):
        return None if float(outputs.target.double().std(0).max()) > 0 else "it predicts the same for every sample"
    index, count = most_frequent(outputs.target)
    if one_class(outputs.target):
        return f"it predicts '{task.classes[index]}' for {count} of {len(outputs.target)} samples"
    if float(mutual_information(outputs.target.double()).mean()) < INFORMATIVE:
        return "it tells the target samples hardly apart: its probabilities are about the same for all of them"
    return None


def astray(outputs: CandidateOutputs, task: Task) -> str | None:
    """A sentence if the predicted points or directions change otherwise than the known moves of the image, else None.

    Such a route mostly finds something else than the part, in clutter for example. It may follow small moves better
    than the baseline, but this does not show which of the two is right.
    """
    if task.dense or not moves_label(task) or outputs.moved is None:
        return None
    found = outputs.moved.correlation()
    if found >= FOLLOWS:
        return None
    return (
        f"its predictions hardly follow known moves of the image: the correlation is {found:.2f}, expected {FOLLOWS:g} "
        "or more"
    )


def renamed(own: Any, others: Sequence[Any], task: Task, groups: Tensor | None = None) -> str | None:
    """A sentence if the classes are interchanged compared with all other routes, else None.

    The renaming of classes that agrees best with the mean of the other routes is found on one half of the samples, and
    tested on the other half, in both directions. It must raise the agreement by more than the 95 % interval of this
    gain.
    A confident interchange of two classes has a high consistency and a high confidence.

    Args:
        own: probabilities (N, C); (N, C, h, w) of masks, of which each point is a sample and each image a group; or
            boxes, which are such samples, too, where others see an object of any class.
        others: of routes that have learnt the source.
        groups: group of each sample (N,).
    """
    from scipy.optimize import linear_sum_assignment

    if not isinstance(task, Classification | Segmentation | Detection) or len(others) < 2 or len(own) < 4:
        return None
    classes, samples = len(task.classes), torch.arange(len(own))
    if isinstance(task, Detection):
        samples = own.image
        mean = torch.stack([_named(own, one, classes) for one in others]).mean(0)
        answers = F.one_hot(own.classes, classes).double() * own.scores.double()[:, None]
    else:
        if task.dense:
            own, *others = (_points(one) for one in (own, *others))
            samples = samples.repeat_interleave(len(own) // len(samples))
        mean = torch.stack(list(others)).double().mean(0)
        answers = F.one_hot(own.argmax(1), classes).double()
    if task.dense:
        groups = samples if groups is None else groups[samples]
    first = samples % 2 == 0
    gain = torch.zeros(len(answers), dtype=torch.float64)
    for part in (first, ~first):
        names = torch.from_numpy(linear_sum_assignment((answers[~part].T @ mean[~part]).numpy(), maximize=True)[1])
        gain[part] = (answers[part] * (mean[part][:, names] - mean[part])).sum(1)
    if float(gain.mean()) <= half_width(gain, groups):
        return None
    names = torch.from_numpy(linear_sum_assignment((answers.T @ mean).numpy(), maximize=True)[1])
    changed = (names != torch.arange(classes)) & (answers.sum(0) > 0)
    if not bool(changed.any()):
        return None
    most = int(torch.where(changed, answers.sum(0), -1.0).argmax())
    what = "pixels" if isinstance(task, Segmentation) else "boxes" if task.dense else "samples"
    return (
        f"it names classes otherwise than the other routes: most {what} that it calls "
        f"'{task.classes[most]}' they call '{task.classes[int(names[most])]}'"
    )


def _named(own: Boxes, other: Boxes, classes: int) -> Tensor:
    """What another candidate calls each box, (M, C) float64: its score for one class, or 0 where it sees nothing."""
    at = matches(own, other, by_class=False)
    found = torch.zeros(len(at), classes, dtype=torch.float64)
    seen = (at >= 0).nonzero().flatten()
    found[seen, other.classes[at[seen]]] = other.scores[at[seen]].double()
    return found


def _points(maps: Tensor) -> Tensor:
    """Probabilities (P, C) at some points of maps (N, C, h, w), image by image."""
    few = F.adaptive_avg_pool2d(maps.float(), (min(POINTS, maps.shape[2]), min(POINTS, maps.shape[3])))
    return few.movedim(1, -1).flatten(0, 2)


def contradicted(own: Estimate | None, baseline: Estimate | None, task: Task) -> str | None:
    """A sentence if the estimate says the opposite of the score: the route is clearly worse than the baseline."""
    if own is None or baseline is None:
        return None
    worse = own.value < baseline.low if task.higher_is_better else own.value > baseline.high
    if not worse:
        return None
    return (
        f"its estimate ({own.value:.3g}) is worse than that of the baseline ({baseline.low:.3g} to {baseline.high:.3g})"
    )
