"""Self-training: a linear least-squares machine that labels the target itself, a few more samples each round."""

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
from .closed_form import ClosedForm, dense, write_head

Array = NDArray[Any]
MOST = 20_000  # samples of both domains, of which a square matrix is held in memory
BLOCK = 4096  # features taken at once
BIAS = 0.1  # squared value of the constant feature that the bias is the weight of


@settings
class SelfTraining(ClosedForm):
    """Labels the target by itself, the most certain samples first, on a linear machine in closed form.

    Each round a machine is trained on the source and on the target samples that the last one was most certain of: for
    each class as many as its share of the source says, more in every round, in the last round all. Holding the shares
    keeps a class from swallowing the other; where the target's balance differs from the source's, so do the labels.

    The machine is a least-squares support vector machine (ridge regression on 1 and -1), which as a classifier of
    texts is as good as the support vector machine and takes one Cholesky factor.

    References:
        Bruzzone & Marconcini (2010). Domain adaptation problems: a DASVM classification technique. PAMI 32(5).
        Suykens & Vandewalle (1999). Least squares support vector machine classifiers. Neural Processing Letters 9.

    Args:
        ridge: weight of the squared norm, in units of the mean squared length of a sample, so that one value serves
            features of any scale.
        rounds: of labelling; 0 is the source alone.
    """

    name: ClassVar[str] = "self-training"

    ridge: float = Field(default=3.0, gt=0)
    rounds: int = Field(default=5, ge=0)

    def solve(self, source: Labelled, target: Unlabelled) -> None:
        count, total = len(source), len(source) + len(target)
        if total > MOST:
            raise InputError(
                f"adapt self-training: found {total} samples in both domains, expected {MOST} or fewer, as it holds "
                "the square of their number. Choose --adapt svm or source-only, or train on a part"
            )
        inner = products(source.inputs, target.inputs)
        unit = float(np.diag(inner)[:count].mean())  # the mean squared length
        inner /= unit
        inner += BIAS
        truth = F.one_hot(source.labels, self.task.outputs).numpy() * 2.0 - 1
        shares = (truth > 0).mean(0)
        index, labels = np.arange(count), truth
        duals = machine(inner, index, labels, self.ridge)
        for part in range(1, self.rounds + 1):
            picked, classes = most_certain(inner[count:, index] @ duals, shares, part / self.rounds)
            index = np.concatenate([np.arange(count), count + picked])
            labels = np.concatenate([truth, np.eye(len(shares))[classes] * 2 - 1])
            duals = machine(inner, index, labels, self.ridge)
        every = torch.zeros(total, len(shares))
        every[torch.from_numpy(index)] = torch.from_numpy(duals).float()
        both = source.inputs, target.inputs
        mean = gathered(both, torch.full((total, 1), 1 / total))[0]
        weights = (gathered(both, every) - every.sum(0)[:, None] * mean) / unit
        write_head(self.model, weights, BIAS * every.sum(0) - weights @ mean)


def machine(inner: Array, index: Array, labels: Array, ridge: float) -> Array:
    """Duals (M, C) of the least-squares machine on the samples at `index` (M,) with labels -1 and 1 (M, C)."""
    system = inner[np.ix_(index, index)]
    system[np.diag_indices(len(index))] += ridge
    solved: Array = cho_solve(cho_factor(system, overwrite_a=True, check_finite=False), labels, check_finite=False)
    return solved


def most_certain(said: Array, shares: Array, part: float) -> tuple[Array, Array]:
    """Which of the target's samples to believe, and their classes.

    Args:
        said: (N, C) outputs.
        shares: (C,) of the classes, in 0..1.
        part: of the samples to pick, in 0..1; at most this part of each class's share.

    Returns:
        indices (M,) and classes (M,).
    """
    level = np.array([np.quantile(column, 1 - share) for column, share in zip(said.T, shares, strict=True)])
    above = said - level  # a class is said of as many samples as its share
    classes = above.argmax(1)
    picked = []
    for i, share in enumerate(shares):
        members = np.flatnonzero(classes == i)
        picked.append(members[np.argsort(-above[members, i], kind="stable")[: round(part * share * len(said))]])
    chosen = np.concatenate(picked)
    return chosen, classes[chosen]


def products(ours: Inputs, theirs: Inputs) -> Array:
    """Inner products of all samples about their common mean, (N, N) float32, N of both domains."""
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
    """The sum of all samples of both domains, each by its duals: (C, F) of (N, F) and (N, C)."""
    parts = duals.split([len(inputs) for inputs in both])
    return torch.stack(
        [
            torch.from_numpy(inputs.matrix.T @ part.numpy()).T if isinstance(inputs, Sparse) else part.T @ dense(inputs)
            for inputs, part in zip(both, parts, strict=True)
        ]
    ).sum(0)
