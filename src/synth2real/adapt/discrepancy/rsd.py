"""RSD: training aligns the subspaces that the features of both domains span, and leaves the feature scale free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..base import Objective

SMALL = 1e-6  # added to the Gram matrix's diagonal, in units of the mean energy; weaker directions get length 0


@settings
class RSD(Objective):
    """Representation subspace distance: regression that aligns feature subspaces and preserves the feature scale.

    Aligning the features of the domains also makes their norms equal. A regressor, however, needs the scale of the
    features to predict values. This method therefore aligns only the subspaces that the two batches span: it adds the
    sum of the sines of their principal angles to the loss. It is made for values, points and gaze. It also serves
    classes.

    It has no effect if a batch has as many samples as there are features, because both batches then span the whole
    space (the defaults are 64 and 128). It reduces accuracy if the distribution of the labels differs between the
    domains. The paper's weight is for a squared error of about 1. A loss on points is about 0.01, and this weight
    dominated it. The weight is therefore multiplied by the label loss. The paper's second term, which matches bases of
    equal importance, is left out: its gradient is unbounded if two singular values are equal, and its weight is a
    hundredth of the first.

    References:
        Chen, Wang, Wang & Long (2021). Representation Subspace Distance for Domain Adaptation Regression. ICML.

    Args:
        weight: weight of the distance, multiplied by the label loss (0.001 in the paper).
    """

    weight: float = Field(default=0.005, ge=0)
    default_randomization: ClassVar[str | None] = "full"
    adapts_features: ClassVar[bool] = True
    least_batch: ClassVar[int] = 2

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.model.features(torch.cat([source.x, target.x]))
        ours, theirs = features.split([len(source), len(target)])
        label = self.task.loss(self.model.head(ours), source.y)
        apart = label.detach() * subspace_distance(ours, theirs)
        yield Update(of=(self.model,), label=(1.0, label), subspace=(self.weight, apart))


def subspace_distance(x: Tensor, y: Tensor) -> Tensor:
    """Sum of the sines of the principal angles between the spans of the rows of x (N, F) and y (M, F), a scalar.

    It is 0 if the spans are equal, and min(N, M) if they are orthogonal. The computation avoids singular vectors,
    because their gradient is unbounded. The bases come from the Cholesky decomposition, and the cosines of the angles
    are singular values.
    """
    cosines = torch.linalg.svdvals(_basis(x) @ _basis(y).T).clamp(max=1)
    # At an angle of 0 the gradient of the sine is not defined.
    sines: Tensor = (1 - cosines.square()).clamp(min=1e-8).sqrt()
    return sines.sum().float()


def _basis(x: Tensor) -> Tensor:
    """Orthonormal basis (N, F) float64 of the span of the rows. Directions with almost no energy get length 0."""
    x = x.double()
    gram = x @ x.T
    energy = gram.diagonal().detach().mean().clamp(min=1e-12)
    lower = torch.linalg.cholesky(gram + SMALL * energy * torch.eye(len(x), dtype=x.dtype, device=x.device))
    basis: Tensor = torch.linalg.solve_triangular(lower, x, upper=False)
    return basis
