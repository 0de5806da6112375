"""AFN: training increases the norms of the features stepwise, in both domains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..base import Objective


def stepwise(features: Tensor, step: float) -> Tensor:
    """Mean of (|f| + step - |f|')^2 over features (N, F), with |f| a constant. Each norm should grow by `step`."""
    norms = features.float().norm(dim=1)
    missing: Tensor = norms.detach() + step - norms
    return missing.square().mean()


@settings
class AFN(Objective):
    """Stepwise adaptive feature norm (SAFN): increases the norm of each sample's features a little in every step.

    Supports all tasks. Target features have smaller norms than source features, and features with small norms are less
    discriminative. The loss increases the norm of each sample a little, in both domains. This moves the target features
    into the range where the classifier is confident. The method aligns norms only, so it does not depend on the class
    balance.

    It does not use the direction of the gap, and helps little if the domains are far apart. In regression the scale of
    the features encodes the value. There the method can harm (Chen et al. 2021).

    Difference from the paper: the features have no dropout. The paper's first variant, which gives all norms one value,
    is left out.

    References:
        Xu, Li, Yang & Lin (2019). Larger Norm More Transferable: An Adaptive Feature Norm Approach for Unsupervised
        Domain Adaptation. ICCV. arXiv:1811.07456.

    Args:
        weight: weight of the loss; for values, multiplied by the label loss. The default is a hundredth of the paper's
            0.05, which is for plain gradient descent with a rate of 0.001. The gradient never vanishes, and AdamW takes
            full-size steps. The norms therefore grew until they dominated everything (MNIST to USPS, 600 steps:
            accuracy 0.12 with 0.05, 0.88 with 0.0005).
        step: increase of each norm (1 in the paper).
    """

    weight: float = Field(default=0.0005, ge=0)
    step: float = Field(default=1.0, gt=0)
    default_randomization: ClassVar[str | None] = "full"
    adapts_features: ClassVar[bool] = True
    assumes_source_balance: ClassVar[bool] = False

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.model.features(torch.cat([source.x, target.x])).split([len(source), len(target)])
        label = self.task.loss(self.model.head(known), source.y)
        norm = stepwise(known, self.step) + stepwise(unknown, self.step)
        yield Update(of=(self.model,), label=(1.0, label), norm=(self.weight, self.unit(label) * norm))
