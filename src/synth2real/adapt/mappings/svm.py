"""SVM: a linear support vector machine, the baseline on features, and what stands on mapped ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.linalg import cholesky, solve_triangular
from scipy.sparse import csr_array
from torch import Tensor

from ...data.domains import Inputs, Labelled, Unlabelled
from ...data.sparse import Sparse
from ...settings import settings
from .closed_form import ClosedForm, dense, write_head

NEVER = -1e4  # logit of a class that the source does not show


@settings
class SVM(ClosedForm):
    """A linear support vector machine on the source, solved at once by liblinear; for classes of feature vectors.

    Its hyperplanes are shipped as a linear layer. Their distances stand as logits: the order of the classes is the
    machine's, the confidences are not calibrated.

    Where there are more features than samples the machine is solved in the span of the samples, in which the
    hyperplane of every L2-regularised linear model lies: as many coordinates as samples, at the same solution.

    References:
        Fan, Chang, Hsieh, Wang & Lin (2008). LIBLINEAR: a library for large linear classification. JMLR 9.

    Args:
        penalty: C, in units of the inverse mean squared length of a sample, so that one value serves features of any
            scale.
    """

    name: ClassVar[str] = "svm"
    assumes_source_balance: ClassVar[bool] = False

    penalty: float = Field(default=1.0, gt=0)

    def solve(self, source: Labelled, target: Unlabelled) -> None:
        from sklearn.svm import LinearSVC

        x, back = coordinates(source.inputs)
        lengths = float(np.square(x.data if isinstance(x, csr_array) else x).sum(dtype=np.float64)) / len(source)
        machine = LinearSVC(C=self.penalty / max(lengths, 1e-12), dual=x.shape[0] < x.shape[1], random_state=0)
        machine.fit(x, source.labels.numpy())
        weights, bias = back(torch.from_numpy(machine.coef_).float()), torch.from_numpy(machine.intercept_).float()
        if len(weights) == 1:  # of two classes one hyperplane
            weights, bias = torch.cat([-weights, weights]) / 2, torch.cat([-bias, bias]) / 2
        shown = torch.from_numpy(machine.classes_)  # a class that the source does not show is never said
        all_weights = torch.zeros(self.task.outputs, weights.shape[1]).index_copy(0, shown, weights)
        write_head(self.model, all_weights, torch.full((self.task.outputs,), NEVER).index_copy(0, shown, bias))


def coordinates(inputs: Inputs) -> tuple[Any, Callable[[Tensor], Tensor]]:
    """Samples to train a linear machine on, (N, min(N, F)) or sparse (N, F); and the way back of its weights to (C, F).

    With K = X X' = L L' (Cholesky), the rows of L have the inner products of those of X: a machine on L is the same,
    and its weights v are those X' inv(L') v on X.
    """
    if isinstance(inputs, Sparse):
        return inputs.matrix, lambda v: v
    x = dense(inputs)
    if x.shape[0] >= x.shape[1]:
        return x.numpy(), lambda v: v
    inner = (x.numpy() @ x.numpy().T).astype(np.float64)
    inner[np.diag_indices(len(x))] += 1e-6 * np.trace(inner) / len(x)  # duplicates make it singular
    lower = cholesky(inner, lower=True, overwrite_a=True)

    def back(v: Tensor) -> Tensor:
        return torch.from_numpy(solve_triangular(lower.T, v.double().numpy().T).T).float() @ x

    return lower, back
