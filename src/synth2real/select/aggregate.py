"""Aggregation beside selection: all candidates as one model, in place of the best of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from ..tasks import Classification, Gaze, Keypoints, Regression, Task
from ..tasks.directions import to_vectors
from ..training.model import Ensemble, Model
from .validators import Pool

CUT = 0.01  # eigenvalues below this share of the Gram matrix's largest count as none


def plain(pool: Pool) -> Tensor | None:
    """No weights: the mean of all candidates' probabilities, or the median of their values.

    Assumes that most candidates are of use and that their errors differ; a majority that errs alike carries it along.

    References:
        Lakshminarayanan, Pritzel & Blundell (2017). Simple and scalable predictive uncertainty estimation using deep
        ensembles. NeurIPS.
    """
    return None


def importance_weighted(pool: Pool) -> Tensor:
    """IWA: the combination of candidates whose squared error on the target is least, (M,) of any sign, 1 in sum.

    Solves G c = g, where G are the candidates' inner products on the target and g those with the source's labels,
    weighed by importance (the mean of the candidates' own weights), starting from equal shares. In which directions
    candidates differ by less than `CUT` of their main one is left out by the pseudo-inverse. Assumes what importance
    weighting assumes, that the source covers the target; where it does not, g is read off a few samples. The paper
    leaves the sum open; then a g that is off shrinks or stretches all answers alike.

    References:
        Dinu, Holzleitner, Beck, Nguyen, Huber, Eghbal-zadeh, Moser, Pereverzyev, Hochreiter & Zellinger (2023).
        Addressing parameter choice issues in unsupervised domain adaptation by aggregation. ICLR.
    """
    task = pool.task
    said = [torch.stack([_said(task, z) for z in outputs]) for outputs in _outputs(pool)]  # (M, N, O) each
    truth = encoded(task, pool.labels)
    known = truth.isfinite()
    weights = torch.stack([one.importance for one in pool.candidates]).mean(0).double()
    gram = torch.einsum("ino,jno->ij", said[1], said[1]) / said[1].shape[1]
    each = (said[0] * torch.where(known, truth, 0) * known).sum(2)
    goal = (each * weights).mean(1)
    count = len(gram)
    even = gram.new_full((count,), 1 / count)
    apart = torch.eye(count).double() - 1 / count  # onto what leaves the sum as it is
    least = CUT * float(torch.linalg.eigvalsh(gram)[-1])
    moved: Tensor = torch.linalg.pinv(apart @ gram @ apart, atol=least, rtol=0.0, hermitian=True) @ (goal - gram @ even)
    return (even + moved).float()


METHODS: dict[str, Callable[[Pool], Tensor | None]] = {"ensemble": plain, "iwa": importance_weighted}


def aggregate(name: str, models: Sequence[Model], pool: Pool) -> Ensemble:
    """All candidates as one model by the method called `name`.

    Args:
        name: of `METHODS`.
        models: those that the pool's candidates were observed of, in their order.
        pool: for the weights.

    Raises:
        InputError: no such method, or as many models as candidates were not given, or see `Ensemble`.
    """
    if name not in METHODS:
        raise InputError(f"aggregation '{name}' is unknown, expected one of: {', '.join(METHODS)}")
    if len(models) != len(pool.candidates):
        raise InputError(f"{len(models)} models but {len(pool.candidates)} candidates, expected one model for each")
    return Ensemble(models, METHODS[name](pool))


def encoded(task: Task, labels: Tensor) -> Tensor:
    """Labels as what a perfect model would answer in the space that candidates are mixed in, (N, O) float64.

    One-hot for classes; else the raw outputs whose prediction is the label.
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
    return (labels - labels.new_tensor(task.mean)) / labels.new_tensor(task.std)


def _outputs(pool: Pool) -> tuple[list[Tensor], list[Tensor]]:
    return [one.source for one in pool.candidates], [one.target for one in pool.candidates]


def _said(task: Task, outputs: Tensor) -> Tensor:
    return (outputs.softmax(1) if isinstance(task, Classification) else outputs).double()
