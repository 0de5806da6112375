"""DARE-GRAM: what a linear regressor divides by, the inverse Gram matrix of the features, is alike in both domains."""

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


@settings
class DAREGRAM(Objective):
    """Regression whose features have the same inverse Gram matrix in both domains.

    The least-squares regressor on features Z is (Z'Z)^-1 Z'y: so it is the inverse Gram matrix that must agree, in the
    angles of its columns and in its scale, not the features themselves. It is taken on the directions that hold most of
    the energy, for the others invert to noise. Made for values, points and gaze; it serves classes, too.

    It harms where labels lie elsewhere in the target than in the source, as the Gram matrix holds them, too. The
    paper's weights are for a squared error of about 1; a loss on points is a hundredth of that, and was overruled by
    them. So both weights are times the label's own loss. A step takes about twice as long as the source's alone.

    References:
        Nejjar, Wang & Fink (2023). DARE-GRAM: Unsupervised Domain Adaptation Regression by Aligning Inverse Gram
        Matrices. CVPR.

    Args:
        angle: weight of the distance of the inverse matrices' columns in angle, times the label's loss (0.05 in the
            paper).
        scale: weight of the distance of the leading eigenvalues, times the label's loss (0.001 in the paper).
        energy: share of the eigenvalues' sum that the directions taken hold (0.99 to 0.999 in the paper).
    """

    angle: float = Field(default=0.05, ge=0)
    scale: float = Field(default=0.001, ge=0)
    energy: float = Field(default=0.99, gt=0, lt=1)
    default_randomization: ClassVar[str | None] = "full"
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
    """How far the inverse Gram matrices of x (N, F) and y (M, F) are apart, in angle and in scale; two scalars.

    Args:
        energy: share of the eigenvalues' sum that the leading directions hold; the rank that the inverse is cut at is
            the larger of both domains'.

    Returns:
        The mean of 1 - cosine over the columns, 0..2; the Euclidean distance of the leading eigenvalues a direction.
    """
    grams = [F.pad(z.double(), (1, 0), value=1.0) for z in (x, y)]  # with the regressor's constant
    grams = [z.T @ z for z in grams]
    values = [torch.linalg.eigvalsh(gram).flip(0) for gram in grams]
    with torch.no_grad():
        rank = max(int((value.cumsum(0) / value.sum() < energy).sum()) + 1 for value in values)
        # Halfway between the last eigenvalue that is kept and the first that is not.
        limits = [F.pad(value, (0, 1))[rank - 1 : rank + 1].mean() / value[0] for value in values]
    mine, theirs = (
        torch.linalg.pinv(gram, rtol=limit, hermitian=True) for gram, limit in zip(grams, limits, strict=True)
    )
    angle = (1 - F.cosine_similarity(mine, theirs, dim=0)).mean()
    scale = (values[0][:rank] - values[1][:rank]).norm() / rank
    return angle.float(), scale.float()
