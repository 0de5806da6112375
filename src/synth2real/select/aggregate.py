"""Aggregation: combines all candidates into one model, as an alternative to choosing the best one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from ..tasks import Classification, Gaze, Keypoints, Regression, Task
from ..tasks.directions import to_vectors
from ..training.ensemble import Ensemble
from ..training.model import Model
from .validators import Pool

CUT = 0.01  # eigenvalues below this share of the Gram matrix's largest one count as zero


def plain(pool: Pool) -> Tensor | None:
    """No weights: the mean of all candidates' probabilities (of classes, or of each pixel), or the median of values.

    Assumes that most candidates are useful and that their errors differ. If a majority shares an error, so does the
    result.

    References:
        Lakshminarayanan, Pritzel & Blundell (2017). Simple and scalable predictive uncertainty estimation using deep
        ensembles. NeurIPS.
    """
    return None


def importance_weighted(pool: Pool) -> Tensor:
    """IWA: weights (M,) of the linear combination of candidates with the least squared error on the target.

    The weights may be negative. They sum to 1. They solve G c = g, starting from equal weights. G holds the inner
    products of the candidates' outputs on the target. g holds their inner products with the source labels, weighted by
    importance (the mean of the candidates' own weights). The pseudo-inverse ignores directions in which candidates
    differ by less than `CUT` of the main one.

    Assumes, like importance weighting, that the source covers the target. If it does not, g depends on a few samples.
    It does not serve masks: the products would be dominated by the background, and the importance of an image says
    little about its pixels. The paper does not fix the sum of the weights; then a wrong g shrinks or stretches all
    outputs by one factor.

    References:
        Dinu, Holzleitner, Beck, Nguyen, Huber, Eghbal-zadeh, Moser, Pereverzyev, Hochreiter & Zellinger (2023).
        Addressing parameter choice issues in unsupervised domain adaptation by aggregation. ICLR.
    """
    task = pool.task
    source, target = (torch.stack([_mixable(task, z) for z in each]) for each in _outputs(pool))  # (M, N, O) each
    labels = encoded(task, pool.labels)
    known = labels.isfinite()
    weights = torch.stack([one.importance for one in pool.candidates]).mean(0).double()
    gram = torch.einsum("ino,jno->ij", target, target) / target.shape[1]
    each = (source * torch.where(known, labels, 0) * known).sum(2)
    goal = (each * weights).mean(1)
    count = len(gram)
    even = gram.new_full((count,), 1 / count)
    centred = torch.eye(count).double() - 1 / count  # projection onto changes that keep the sum of the weights
    least = CUT * float(torch.linalg.eigvalsh(gram)[-1])
    inverse = torch.linalg.pinv(centred @ gram @ centred, atol=least, rtol=0.0, hermitian=True)
    change: Tensor = inverse @ (goal - gram @ even)
    return (even + change).float()


METHODS: dict[str, Callable[[Pool], Tensor | None]] = {"ensemble": plain, "iwa": importance_weighted}


def serving(task: Task) -> list[str]:
    """Names of the methods that support a task."""
    return [name for name in METHODS if name != "iwa" or not task.dense]


def aggregate(name: str, models: Sequence[Model], pool: Pool) -> Ensemble:
    """All candidates combined into one model by the method called `name`.

    Args:
        name: of `METHODS`.
        models: the models that the pool's candidates were observed from, in the same order.
        pool: used to compute the weights.

    Raises:
        InputError: no method has this name, or it does not serve the task; the numbers of models and candidates differ,
            or as `Ensemble`.
    """
    if name not in METHODS:
        raise InputError(f"aggregation '{name}' is unknown, expected one of: {', '.join(METHODS)}")
    if name not in serving(pool.task):
        known = ", ".join(serving(pool.task))
        raise InputError(f"aggregation '{name}' does not support the task {pool.task.kind}, expected: {known}")
    if len(models) != len(pool.candidates):
        raise InputError(f"{len(models)} models but {len(pool.candidates)} candidates, expected one model for each")
    return Ensemble(models, METHODS[name](pool))


def encoded(task: Task, labels: Tensor) -> Tensor:
    """The outputs (N, O) float64 of a perfect model, in the space in which candidates are mixed.

    Classes: one-hot labels. Other tasks: the raw outputs from which the task predicts the labels.
    """
    if isinstance(task, Classification):
        return F.one_hot(labels, task.outputs).double()
    labels = labels.double()
    if isinstance(task, Gaze):
        return to_vectors(labels) - labels.new_tensor([0.0, 0.0, -1.0])
    if isinstance(task, Keypoints):
        half = labels.new_tensor([task.size[1] / 2, task.size[0] / 2])
        return ((labels.view(len(labels), -1, 2) + 0.5) / half - 1).flatten(1)
    assert isinstance(task, Regression)
    return task.standardised(labels).double()


def _outputs(pool: Pool) -> tuple[list[Tensor], list[Tensor]]:
    return [one.source for one in pool.candidates], [one.target for one in pool.candidates]


def _mixable(task: Task, outputs: Tensor) -> Tensor:
    """Probabilities for classes, raw outputs for other tasks."""
    return (outputs.softmax(1) if isinstance(task, Classification) else outputs).double()
