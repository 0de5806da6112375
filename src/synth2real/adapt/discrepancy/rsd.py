"""RSD: the features of both domains span the same subspace, whatever the scale along it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..base import Objective

SMALL = 1e-6  # of a direction, in units of the mean energy: below it, no direction of the batch


@settings
class RSD(Objective):
    """Representation subspace distance: regression whose features must keep their scale.

    Making the domains' features alike also makes their norms alike, and a regressor reads its values off the scale of
    the features. So only the subspaces that the two batches span are drawn together: the sum of the sines of their
    principal angles is added to the loss. Made for values, points and gaze; it serves classes, too.

    It says nothing where a batch has as many samples as there are features, for then both span all of them (64 and 128
    by default). It harms where the domains differ in where their labels lie. The paper's weight is for a squared error
    of about 1; a loss on points is a hundredth of that, and was overruled by it. So the weight is times the label's own
    loss. The paper's second term, by which bases of equal importance match, is left out: its gradient has no bound
    where two singular values are equal, and it weighs a hundredth of the first.

    References:
        Chen, Wang, Wang & Long (2021). Representation Subspace Distance for Domain Adaptation Regression. ICML.

    Args:
        weight: of the distance, times the label's loss (0.001 in the paper).
    """

    weight: float = Field(default=0.005, ge=0)
    default_randomization: ClassVar[str | None] = "full"
    least_batch: ClassVar[int] = 2

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.model.features(torch.cat([source.x, target.x]))
        ours, theirs = features.split([len(source), len(target)])
        label = self.task.loss(self.model.head(ours), source.y)
        apart = label.detach() * subspace_distance(ours, theirs)
        yield Update(of=(self.model,), label=(1.0, label), subspace=(self.weight, apart))


def subspace_distance(x: Tensor, y: Tensor) -> Tensor:
    """Sum of the sines of the principal angles between the spans of the rows of x (N, F) and y (M, F), a scalar.

    0 where the spans are equal, min(N, M) where they are orthogonal. The angles need no singular vectors, whose
    gradient knows no bound: bases come from Cholesky's decomposition, their angles' cosines are singular values.
    """
    cosines = torch.linalg.svdvals(_basis(x) @ _basis(y).T).clamp(max=1)
    # At an angle of 0 the sine has no slope of its own.
    sines: Tensor = (1 - cosines.square()).clamp(min=1e-8).sqrt()
    return sines.sum().float()


def _basis(x: Tensor) -> Tensor:
    """An orthonormal basis (N, F) float64 of the span of the rows; directions of next to no energy get length 0."""
    x = x.double()
    gram = x @ x.T
    energy = gram.diagonal().detach().mean().clamp(min=1e-12)
    lower = torch.linalg.cholesky(gram + SMALL * energy * torch.eye(len(x), dtype=x.dtype, device=x.device))
    basis: Tensor = torch.linalg.solve_triangular(lower, x, upper=False)
    return basis
