"""AFN: features whose norms grow, step by step, in both domains alike."""

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
    """Mean of (|f| + step - |f|')^2 over features (N, F), |f| a constant: each norm is to grow by `step`."""
    norms = features.float().norm(dim=1)
    missing: Tensor = norms.detach() + step - norms
    return missing.square().mean()


@settings
class AFN(Objective):
    """Stepwise adaptive feature norm (SAFN), for every task.

    Target features have smaller norms than source features, and small norms say little. Each sample's norm is asked to
    be a little larger than it is, in both domains, which draws the target's into the range where the classifier is
    sure. Alignment of nothing but norms, so no class balance misleads it.

    It gives the gap no direction: it helps little where the domains are far apart. The scale of features carries the
    value in regression, where it may harm (Chen et al. 2021).

    References:
        Xu, Li, Yang & Lin (2019). Larger Norm More Transferable: An Adaptive Feature Norm Approach for Unsupervised
        Domain Adaptation. ICCV. arXiv:1811.07456.

    Args:
        weight: of the loss; for values, times the label's own loss. A hundredth of the paper's 0.05, which is for plain
            gradient descent at a thousandth: AdamW follows a pull that never ends as fast as any other, so that norms
            grew until nothing else counted (MNIST to USPS, 600 steps: accuracy 0.12 with 0.05, 0.88 with 0.0005).
        step: by which each norm is to grow (1 in the paper).
    """

    weight: float = Field(default=0.0005, ge=0)
    step: float = Field(default=1.0, gt=0)
    default_randomization: ClassVar[str | None] = "full"
    assumes_source_balance: ClassVar[bool] = False

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.model.features(torch.cat([source.x, target.x])).split([len(source), len(target)])
        label = self.task.loss(self.model.head(known), source.y)
        norm = stepwise(known, self.step) + stepwise(unknown, self.step)
        yield Update(of=(self.model,), label=(1.0, label), norm=(self.weight, self.unit(label) * norm))
