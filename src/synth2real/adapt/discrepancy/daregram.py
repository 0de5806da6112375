"""DARE-GRAM: training aligns the inverse Gram matrices of the features of both domains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..base import Objective

SMALLEST = 1e-6  # eigenvalue of a Gram matrix that is inverted, as a share of the largest one


@settings
class DAREGRAM(Objective):
    """DARE-GRAM: regression in which the inverse Gram matrices of the features are aligned in angle and scale.

    The least-squares regressor on features Z is (Z'Z)^-1 Z'y. It is therefore sufficient to align the inverse Gram
    matrix, in the angles of its columns and in its scale, instead of the features. Only the directions with most of the
    energy are used, because the inverse of the others is noise. The method is made for values, points and gaze. It also
    serves classes.

    It reduces accuracy if the distribution of the labels differs between the domains, because the Gram matrix depends
    on it. The paper's weights are for a squared error of about 1. A loss on points is about 0.01, and these weights
    dominated it. Both weights are therefore multiplied by the label loss. A step takes about twice as long as a step of
    source-only training.

    Difference from the paper: the leading directions are those that reach `energy`, as in the text of the paper. The
    authors' code uses up to two directions fewer. Eigenvalues below a floor are never inverted. As in the authors'
    code, the gradient is that of a pseudo-inverse of fixed rank, which is not exact close to the limit.

    References:
        Nejjar, Wang & Fink (2023). DARE-GRAM: Unsupervised Domain Adaptation Regression by Aligning Inverse Gram
        Matrices. CVPR.

    Args:
        angle: weight of the angular distance between the columns of the inverse matrices, multiplied by the label loss
            (0.05 in the paper).
        scale: weight of the distance between the leading eigenvalues, multiplied by the label loss (0.001 in the
            paper).
        energy: share of the sum of the eigenvalues that the used directions contain (0.99 to 0.999 in the paper).
    """

    angle: float = Field(default=0.05, ge=0)
    scale: float = Field(default=0.001, ge=0)
    energy: float = Field(default=0.99, gt=0, lt=1)
    default_randomization: ClassVar[str | None] = "full"
    adapts_features: ClassVar[bool] = True
    least_batch: ClassVar[int] = 2

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.model.features(torch.cat([source.x, target.x]))
        ours, theirs = features.split([len(source), len(target)])
        label = self.task.loss(self.model.head(ours), source.y)
        angle, scale = gram_distances(ours, theirs, self.energy)
        unit = label.detach()
        yield Update(
            of=(self.model,), label=(1.0, label), angle=(self.angle, unit * angle), scale=(self.scale, unit * scale)
        )


def gram_distances(x: Tensor, y: Tensor, energy: float) -> tuple[Tensor, Tensor]:
    """Distance between the inverse Gram matrices of x (N, F) and y (M, F), in angle and in scale; two scalars.

    Args:
        energy: share of the sum of the eigenvalues that the leading directions contain. The inverse is truncated at the
            larger of the two domains' ranks.

    Returns:
        The mean of 1 - cosine over the columns, in 0..2; the Euclidean distance of the leading eigenvalues, divided by
        their number.
    """
    grams = [F.pad(z.double(), (1, 0), value=1.0) for z in (x, y)]  # a constant column, for the regressor's bias
    grams = [z.T @ z for z in grams]
    values = [torch.linalg.eigvalsh(gram).flip(0) for gram in grams]
    with torch.no_grad():
        rank = max(int((value.cumsum(0) / value.sum() < energy).sum()) + 1 for value in values)
        # The threshold is halfway between the last eigenvalue that is kept and the first that is not.
        # Below its floor, an eigenvalue of the domain of lower rank is rounding error of float32 features.
        limits = [max(float(F.pad(v, (0, 1))[rank - 1 : rank + 1].mean() / v[0]), SMALLEST) for v in values]
    mine, theirs = (
        torch.linalg.pinv(gram, rtol=limit, hermitian=True) for gram, limit in zip(grams, limits, strict=True)
    )
    angle = (1 - F.cosine_similarity(mine, theirs, dim=0)).mean()
    scale = (values[0][:rank] - values[1][:rank]).norm() / rank
    return angle.float(), scale.float()
