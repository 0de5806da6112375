"""Fits all candidates of a correction, predicts each label without it, and weights the candidates by these errors.

The correction is the average of all candidates, with weights in proportion to the likelihood of the left-out labels
(pseudo-Bayesian model averaging). A choice of the best one, also with the one-standard-error rule, was measured and is
worse with fewer than 20 labels: the average hedges where cross-validation cannot decide, and so does less harm.

References:
    Geisser & Eddy (1979). A predictive approach to model selection. JASA 74.
    Böhning (1992). Multinomial logistic regression algorithm. Annals of the Institute of Statistical Mathematics 44.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.groups import independent_units

# Of the fit of classes, which is not closed: folds of few and of many labels, and iterations. Their number is fixed: if
# it depended on how fast all folds converge, it would depend on labels that are left out.
FOLDS, FOLDS_OF_MANY, MANY = 10, 5, 50
ITERATIONS = 80


@dataclass(frozen=True)
class Fits:
    """All candidates, fitted.

    Args:
        dual: weights of the labels, (M, N, K): a correction is the prior covariance with the labels, times these.
        held: correction of each label by a fit without its unit, (M, N, K).
    """

    dual: Tensor
    held: Tensor


def fit_values(kernels: Tensor, residuals: Tensor, units: Tensor) -> Fits:
    """Ridge regression in its dual form, and each unit left out, both closed.

    Args:
        kernels: prior covariance (M, N, N), see `candidates.kernels`.
        residuals: (N, K).
        units: (N,) int64, the unit that each label is left out with.
    """
    inverse = torch.linalg.inv(kernels + torch.eye(len(residuals), dtype=torch.float64))
    dual = inverse @ residuals
    if len(units.unique()) == len(units):
        return Fits(dual, residuals - dual / inverse.diagonal(dim1=1, dim2=2)[..., None])
    left = torch.zeros_like(dual)
    for unit in units.unique():
        rows = (units == unit).nonzero()[:, 0]
        left[:, rows] = torch.linalg.solve(inverse[:, rows][:, :, rows], dual[:, rows])
    return Fits(dual, residuals - left)


def fit_classes(kernels: Tensor, logits: Tensor, labels: Tensor, units: Tensor) -> Fits:
    """Logistic regression in its dual form, and each fold of units left out.

    Args:
        kernels: prior covariance (M, N, N) of the correction of each logit.
        logits: (N, C) float64.
        labels: (N,) int64.
        units: (N,) int64; no fold parts a unit.
    """
    most = FOLDS if len(labels) <= MANY else FOLDS_OF_MANY
    folds = units.unique(return_inverse=True)[1] % most
    none, each = torch.ones(1, len(labels)).bool(), torch.arange(int(folds.max()) + 1)[:, None] != folds
    used = torch.cat([none, each])  # (1 + folds, N): all labels, then all but a fold
    many = (kernels[:, None] * used[:, None, :] * used[:, :, None]).flatten(0, 1)
    dual = _logistic(many, logits, F.one_hot(labels, logits.shape[1]).double(), used.repeat(len(kernels), 1))
    dual = dual.unflatten(0, (len(kernels), len(used)))
    held = torch.einsum("mij,mfjk->mfik", kernels, dual[:, 1:])
    return Fits(dual[:, 0], held[:, folds, torch.arange(len(labels))])


def _logistic(kernels: Tensor, logits: Tensor, shares: Tensor, used: Tensor) -> Tensor:
    """Dual weights (B, N, C) of B fits, each on the samples `used` (B, N).

    Böhning's bound of the curvature, 1/2, makes every iteration a ridge regression with the same matrix: the noise is 2
    and the target moves. The iterations are accelerated (Nesterov).
    """
    solve = torch.linalg.inv(kernels + 2 * torch.eye(len(logits), dtype=torch.float64))
    found = before = torch.zeros(len(kernels), *logits.shape, dtype=torch.float64)
    dual = found
    for i in range(ITERATIONS):
        ahead = found + i / (i + 3) * (found - before)
        aim = (ahead + 2 * (shares - (logits + ahead).softmax(2))) * used[..., None]
        dual = solve @ aim
        found, before = aim - 2 * dual, found
    return dual * used[..., None]


def weights(errors: Tensor, units: Tensor, *, classes: bool) -> tuple[Tensor, Tensor]:
    """Weight of each candidate: (M,) for the correction, and (M, N) for each label, without the errors of its unit.

    Args:
        errors: of the left-out labels (M, N): minus the log of the probability for classes, else a distance. Distances
            are taken as Laplace distributed, so their likelihood is the inverse of their mean, once for each label.
        units: (N,) int64. Labels of one unit are not independent.
    """
    inside = F.one_hot(units.unique(return_inverse=True)[1]).double()
    independent = independent_units(len(units), units)
    rest = errors.sum(1, keepdim=True) - errors @ inside
    others = rest / (len(units) - inside.sum(0)).clamp(min=1)
    of_labels = (_log_likelihood(others, classes) * (independent - 1)).softmax(0) @ inside.T
    return (_log_likelihood(errors.mean(1), classes) * independent).softmax(0), of_labels


def _log_likelihood(errors: Tensor, classes: bool) -> Tensor:
    """The mean log-likelihood of a label from mean errors, up to a constant."""
    return -errors if classes else -errors.clamp(min=torch.finfo(torch.float64).tiny).log()
