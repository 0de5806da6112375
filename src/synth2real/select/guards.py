"""Guards: reasons not to choose a route that a good label-free score does not show. Each is a sentence for the user."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.groups import half_width
from ..tasks import Classification, Segmentation, Task
from .estimates import Estimate
from .estimates.base import one_class
from .validators import CandidateOutputs, collapsed, most_frequent, moves_label, mutual_information

FOLLOWS = 0.4  # least correlation with known moves; 0.6 or more on real eyes, 0.2 or less where most points are wrong
POINTS = 16  # points a side of masks on which names of classes are compared
INFORMATIVE = 0.05  # least mutual information of sample and class, as a share of its maximum; 0.63 or more is usual


def constant(outputs: CandidateOutputs, task: Task) -> str | None:
    """A sentence if the predictions do not tell the target samples apart, else None.

    A target of one class is possible. But then nothing is known about the errors of a route, either.
    """
    if isinstance(task, Segmentation):
        return collapsed(outputs.target, outputs.held_out, task)
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


def renamed(own: Tensor, others: Sequence[Tensor], task: Task, groups: Tensor | None = None) -> str | None:
    """A sentence if the classes are interchanged compared with all other routes, else None.

    The renaming of classes that agrees best with the mean of the other routes is found on one half of the samples, and
    tested on the other half, in both directions. It must raise the agreement by more than the 95 % interval of this
    gain.
    A confident interchange of two classes has a high consistency and a high confidence.

    Args:
        own: probabilities (N, C), or (N, C, h, w) of masks, of which each point is a sample and each image a group.
        others: of routes that have learnt the source.
        groups: group of each sample (N,).
    """
    from scipy.optimize import linear_sum_assignment

    if not isinstance(task, Classification | Segmentation) or len(others) < 2 or len(own) < 4:
        return None
    samples = torch.arange(len(own))
    if task.dense:
        own, *others = (_points(one) for one in (own, *others))
        samples = samples.repeat_interleave(len(own) // len(samples))
        groups = samples if groups is None else groups[samples]
    answers = F.one_hot(own.argmax(1), task.outputs).double()
    mean = torch.stack(list(others)).double().mean(0)
    first = samples % 2 == 0
    gain = torch.zeros(len(own), dtype=torch.float64)
    for part in (first, ~first):
        names = torch.from_numpy(linear_sum_assignment((answers[~part].T @ mean[~part]).numpy(), maximize=True)[1])
        gain[part] = (answers[part] * (mean[part][:, names] - mean[part])).sum(1)
    if float(gain.mean()) <= half_width(gain, groups):
        return None
    names = torch.from_numpy(linear_sum_assignment((answers.T @ mean).numpy(), maximize=True)[1])
    changed = (names != torch.arange(task.outputs)) & (answers.sum(0) > 0)
    if not bool(changed.any()):
        return None
    most = int(torch.where(changed, answers.sum(0), -1.0).argmax())
    return (
        f"it names classes otherwise than the other routes: most {'pixels' if task.dense else 'samples'} that it calls "
        f"'{task.classes[most]}' they call '{task.classes[int(names[most])]}'"
    )


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
