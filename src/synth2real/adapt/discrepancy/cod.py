"""COD: training aligns the distributions of the features given the labels, for labels that are continuous."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...measure.discrepancies import kernel
from ...settings import settings
from ...tasks import Classification
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..base import Objective


@settings
class COD(Objective):
    """Conditional operator discrepancy: makes the features of both domains alike among samples of equal labels.

    For classes, features can be compared within each class. Values have no classes: no two labels are equal. The
    discrepancy therefore compares two operators between the spaces of a kernel on the labels and a kernel on the
    features: the one that gives the mean of the features for a label, and the one that holds their covariance given the
    labels. Labels of the target are the model's own predictions, without gradient. A second term, the kernel Gaussian
    Wasserstein distance, compares the means and covariances of all features. The method is made for values, points and
    gaze. It also serves classes.

    It cannot correct a prediction that is wrong for a whole domain alike: such labels of the target are consistent.

    Differences from the paper: the square of the distance of the means is used as it is defined. Both weights are
    multiplied by the label loss, as in `RSD`, and the conditional term starts after a share of the training (in the
    paper, after a number of steps). An unknown label is replaced by the prediction.

    References:
        Yang, Ren & Luo (2024). COD: Learning Conditional Invariant Representation for Domain Adaptation Regression.
        ECCV. arXiv:2408.06638.

    Args:
        weight: weight of the conditional discrepancy, multiplied by the label loss.
        marginal: weight of the distance of all features, multiplied by the label loss.
        epsilon: ridge of the inverse of the labels' kernel, as a share of the number of samples (0.05 in the authors'
            code).
        warmup: share of the training before which predictions do not yet serve as labels (0.3 in the authors' code).
    """

    weight: float = Field(default=0.1, ge=0)
    marginal: float = Field(default=0.1, ge=0)
    epsilon: float = Field(default=0.05, gt=0)
    warmup: float = Field(default=0.3, ge=0, le=1)
    default_randomization: ClassVar[str | None] = "full"
    least_batch: ClassVar[int] = 2

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.model.features(torch.cat([source.x, target.x]))
        outputs = self.model.head(features)
        n = len(source)
        label, values = self.task.loss(outputs[:n], source.y), kernel(features.double())
        unit = label.detach()
        marginal = unit * wasserstein(values, n)
        given = kernel(self.labels(source.y, outputs.detach()))
        conditional = unit * conditional_discrepancy(values, given, n, self.epsilon)
        started = self.weight if progress.fraction >= self.warmup else 0.0
        yield Update(
            of=(self.model,),
            label=(1.0, label),
            marginal=(self.marginal, marginal.float()),
            conditional=(started, conditional.float()),
        )

    def labels(self, known: Tensor, outputs: Tensor) -> Tensor:
        """Labels of all samples (N + M, K) float64, in units of the spread of each column in the source.

        Args:
            known: labels of the source (N, ...). An unknown label is replaced by the prediction.
            outputs: raw outputs (N + M, O) for both domains.
        """
        guesses = self.task.predict(outputs).double()
        ours = self.task.shares(known) if isinstance(self.task, Classification) else known
        ours = torch.where(ours.isfinite(), ours, guesses[: len(ours)]).double()
        return torch.cat([ours, guesses[len(ours) :]]) / ours.std(0).clamp(min=1e-6)


def wasserstein(values: Tensor, n: int) -> Tensor:
    """Kernel Gaussian Wasserstein distance, squared: of the means and of the covariances of two samples.

    Args:
        values: kernel matrix (N + M, N + M) of the features. The first N rows are one sample, the rest the other.
        n: N.
    """
    shares = torch.cat([values.new_full((n,), 1 / n), values.new_full((len(values) - n,), -1 / (len(values) - n))])
    roots = [_centring(part) / math.sqrt(len(part)) for part in (values[:n, :n], values[n:, n:])]
    return shares @ values @ shares + _bures(values, n, *roots)


def conditional_discrepancy(values: Tensor, given: Tensor, n: int, epsilon: float) -> Tensor:
    """Conditional operator discrepancy, squared: of the means and of the covariances of features given the labels.

    It is 0 if both samples have the same features and labels.

    Args:
        values, n: as in `wasserstein`.
        given: kernel matrix (N + M, N + M) of the labels, without gradient.
        epsilon: ridge of its inverse, as a share of the number of samples.
    """
    parts = given[:n, :n], given[n:, n:]
    inverses = [torch.linalg.inv(part + epsilon * len(part) * _identity(part)) for part in parts]
    # The mean of the features for a label is a weighted sum of the features of both samples; the weights are linear in
    # the labels' kernel.
    signed = torch.block_diag(inverses[0], -inverses[1])
    means = ((signed @ given @ signed) * values).sum()
    roots = [_conditional_root(part, epsilon) for part in parts]
    distance: Tensor = means + _bures(values, n, *roots)
    return distance


def _conditional_root(given: Tensor, epsilon: float) -> Tensor:
    """A (N, N), so that features' A A' features is their covariance given labels with this kernel matrix (N, N)."""
    centre, ridge = _centring(given), epsilon * len(given)
    rest = epsilon * torch.linalg.inv(centre @ given @ centre + ridge * _identity(given))
    root: Tensor = centre @ torch.linalg.cholesky((rest + rest.T) / 2)
    return root


def _bures(values: Tensor, n: int, ours: Tensor, theirs: Tensor) -> Tensor:
    """Squared Bures distance of the covariances of two samples, whose roots in terms of the samples are given."""
    both = (ours.T @ values[:n, :n] @ ours).trace() + (theirs.T @ values[n:, n:] @ theirs).trace()
    common: Tensor = torch.linalg.svdvals(theirs.T @ values[n:, :n] @ ours).sum()
    return both - 2 * common


def _centring(values: Tensor) -> Tensor:
    return _identity(values) - 1 / len(values)


def _identity(values: Tensor) -> Tensor:
    return torch.eye(len(values), dtype=values.dtype, device=values.device)
