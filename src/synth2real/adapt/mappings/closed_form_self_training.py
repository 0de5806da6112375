"""Self-training: a linear least-squares classifier that labels more target samples in each round."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import vstack
from torch import Tensor
from torch.nn import functional as F

from ...data.domains import Inputs, Labelled, Unlabelled
from ...data.sparse import Sparse
from ...errors import InputError
from ...settings import settings
from ..shared.source_fit import LEARNT, SourceFit
from .closed_form import ClosedForm, dense, write_head

Array = NDArray[Any]
MOST = 20_000  # most samples of both domains; a square matrix of this size is kept in memory
BLOCK = 4096  # features in each block of the inner products
BIAS = 0.1  # squared value of the constant feature for the bias


@settings
class SelfTraining(ClosedForm):
    """Labels the target iteratively, the most confident samples first, with a linear classifier in closed form.

    Each round trains a classifier on the source and on the target samples for which the last classifier was most
    confident. The number of samples per class follows the class shares of the source. It grows in every round; the last
    round uses all target samples. The fixed shares prevent one class from absorbing another. If the class balance of
    the target differs from the source's, the labels are wrong accordingly. If the first classifier does not fit the
    source (`SourceFit`), its labels are noise, and no target sample is labelled.

    The classifier is a least-squares support vector machine (ridge regression on 1 and -1). For texts it classifies as
    well as the support vector machine, and it needs one Cholesky factorisation.

    Differences from the paper: DASVM adds a few samples next to the margin in each round, and removes source samples
    until none is left. Here the source stays.

    References:
        Bruzzone & Marconcini (2010). Domain adaptation problems: a DASVM classification technique. PAMI 32(5).
        Suykens & Vandewalle (1999). Least squares support vector machine classifiers. Neural Processing Letters 9.

    Args:
        ridge: weight of the squared norm, in units of the mean squared length of a sample. One value therefore serves
            features of any scale.
        rounds: rounds of labelling; 0 trains on the source alone.
    """

    name: ClassVar[str] = "self-training"

    ridge: float = Field(default=3.0, gt=0)
    rounds: int = Field(default=5, ge=0)

    def solve(self, source: Labelled, target: Unlabelled) -> None:
        count, total = len(source), len(source) + len(target)
        if total > MOST:
            raise InputError(
                f"adapt self-training: found {total} samples in both domains, expected {MOST} or fewer, because it "
                "stores a matrix of samples by samples. Choose --adapt svm or source-only, or train on fewer samples"
            )
        both = self.inputs_of(source), self.inputs_of(target)
        inner = products(*both)
        unit = float(np.diag(inner)[:count].mean())  # the mean squared length
        inner /= unit
        inner += BIAS
        truth = F.one_hot(source.labels, self.task.outputs).numpy() * 2.0 - 1
        shares = (truth > 0).mean(0)
        index, labels = np.arange(count), truth
        duals = machine(inner, index, labels, self.ridge)
        self.fit = SourceFit(self.task, momentum=1.0)
        self.fit.observe(torch.from_numpy(inner[:count, :count] @ duals), source.labels)
        rounds = self.rounds if self.fit.value() >= LEARNT else 0
        for part in range(1, rounds + 1):
            picked, classes = most_certain(inner[count:, index] @ duals, shares, part / rounds)
            index = np.concatenate([np.arange(count), count + picked])
            labels = np.concatenate([truth, np.eye(len(shares))[classes] * 2 - 1])
            duals = machine(inner, index, labels, self.ridge)
        every = torch.zeros(total, len(shares))
        every[torch.from_numpy(index)] = torch.from_numpy(duals).float()
        mean = gathered(both, torch.full((total, 1), 1 / total))[0]
        weights = (gathered(both, every) - every.sum(0)[:, None] * mean) / unit
        write_head(self.model, weights, BIAS * every.sum(0) - weights @ mean)

    def notes(self) -> list[str]:
        if self.rounds == 0 or self.fit.value() >= LEARNT:
            return super().notes()
        return [f"self-training never started, as the source was not fitted well enough: {self.fit.text()}"]


def machine(inner: Array, index: Array, labels: Array, ridge: float) -> Array:
    """Dual coefficients (M, C) of the least-squares machine for samples `index` (M,) and labels -1 and 1 (M, C)."""
    system = inner[np.ix_(index, index)]
    system[np.diag_indices(len(index))] += ridge
    solved: Array = cho_solve(cho_factor(system, overwrite_a=True, check_finite=False), labels, check_finite=False)
    return solved


def most_certain(outputs: Array, shares: Array, part: float) -> tuple[Array, Array]:
    """The target samples with the most confident predictions, and their classes.

    Args:
        outputs: (N, C) outputs.
        shares: (C,) shares of the classes, in 0..1.
        part: share of the samples to choose, in 0..1. It is also the greatest share of each class's samples.

    Returns:
        indices (M,) and classes (M,).
    """
    level = np.array([np.quantile(column, 1 - share) for column, share in zip(outputs.T, shares, strict=True)])
    above = outputs - level  # each class is positive for its share of the samples
    classes = above.argmax(1)
    picked = []
    for i, share in enumerate(shares):
        members = np.flatnonzero(classes == i)
        picked.append(members[np.argsort(-above[members, i], kind="stable")[: round(part * share * len(outputs))]])
    chosen = np.concatenate(picked)
    return chosen, classes[chosen]


def products(ours: Inputs, theirs: Inputs) -> Array:
    """Inner products of all samples after centring, (N, N) float32, with N the samples of both domains."""
    if isinstance(ours, Sparse) and isinstance(theirs, Sparse):
        both = vstack([ours.matrix, theirs.matrix])
        inner: Array = (both @ both.T).toarray()
    else:
        x, y = dense(ours), dense(theirs)
        inner = np.zeros((len(x) + len(y),) * 2, np.float32)
        for columns in torch.arange(x.shape[1]).split(BLOCK):
            block = torch.cat([z[:, columns[0] : columns[-1] + 1] for z in (x, y)]).numpy()
            inner += block @ block.T
    mean = inner.mean(0, dtype=np.float64).astype(np.float32)
    inner -= mean
    inner -= mean[:, None] - mean.mean()
    return inner


def gathered(both: tuple[Inputs, Inputs], duals: Tensor) -> Tensor:
    """Sum of all samples of both domains, weighted by their duals: (C, F) from (N, F) and (N, C)."""
    parts = duals.split([len(inputs) for inputs in both])
    return torch.stack(
        [
            torch.from_numpy(inputs.matrix.T @ part.numpy()).T if isinstance(inputs, Sparse) else part.T @ dense(inputs)
            for inputs, part in zip(both, parts, strict=True)
        ]
    ).sum(0)
