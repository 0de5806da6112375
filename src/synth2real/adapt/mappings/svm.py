"""SVM: a linear support vector machine, the baseline on features and a classifier for mapped features."""

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
from .closed_form import ClosedForm, dense, of_every_class, write_head


@settings
class SVM(ClosedForm):
    """A linear support vector machine, trained on source features by liblinear; the baseline on features.

    For classes of feature vectors only. The hyperplanes become a linear layer, and the distances from them are the
    logits. The ranking of the classes is that of the machine. The confidences are not calibrated.

    If there are more features than samples, the machine is solved in the span of the samples. The hyperplane of every
    L2-regularised linear model lies in this span. The number of coordinates is then the number of samples, and the
    solution is the same.

    References:
        Fan, Chang, Hsieh, Wang & Lin (2008). LIBLINEAR: a library for large linear classification. JMLR 9.

    Args:
        penalty: C, in units of the inverse mean squared length of a sample. One value therefore serves features of any
            scale.
    """

    name: ClassVar[str] = "svm"
    assumes_source_balance: ClassVar[bool] = False

    penalty: float = Field(default=1.0, gt=0)

    def solve(self, source: Labelled, target: Unlabelled) -> None:
        from sklearn.svm import LinearSVC

        x, back = coordinates(self.inputs_of(source))
        lengths = float(np.square(x.data if isinstance(x, csr_array) else x).sum(dtype=np.float64)) / len(source)
        machine = LinearSVC(C=self.penalty / max(lengths, 1e-12), dual=x.shape[0] < x.shape[1], random_state=0)
        machine.fit(x, source.labels.numpy())
        weights, bias = back(torch.from_numpy(machine.coef_).float()), torch.from_numpy(machine.intercept_).float()
        write_head(self.model, *of_every_class(weights, bias, machine.classes_, self.task.outputs))


def coordinates(inputs: Inputs) -> tuple[Any, Callable[[Tensor], Tensor]]:
    """Training samples for a linear machine, and the map of its weights back to (C, F).

    The samples are (N, min(N, F)) or sparse (N, F).

    With K = X X' = L L' (Cholesky), the rows of L have the same inner products as the rows of X. A machine on L is
    therefore equivalent, and its weights v become X' inv(L') v on X.
    """
    if isinstance(inputs, Sparse):
        return inputs.matrix, lambda v: v
    x = dense(inputs)
    if x.shape[0] >= x.shape[1]:
        return x.numpy(), lambda v: v
    inner = (x.numpy() @ x.numpy().T).astype(np.float64)
    inner[np.diag_indices(len(x))] += 1e-6 * np.trace(inner) / len(x)  # duplicate samples make it singular
    lower = cholesky(inner, lower=True, overwrite_a=True)

    def back(v: Tensor) -> Tensor:
        return torch.from_numpy(solve_triangular(lower.T, v.double().numpy().T).T).float() @ x

    return lower, back
