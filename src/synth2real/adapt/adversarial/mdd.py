"""MDD: an adversarial classifier that leaves the model on the target by a margin, and features that forbid it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ...data.domains import Unlabelled
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..shared.classes import needs_classes
from ..shared.reversal import Reversal


def margin_disparity(known: Tensor, said: Tensor, unknown: Tensor, claimed: Tensor, margin: float) -> Tensor:
    """Loss of the adversary: agree on the source, disagree on the target; a scalar.

    Args:
        known, unknown: the adversary's raw outputs (N, C) on the source and (M, C) on the target.
        said, claimed: the model's own classes (N,) and (M,) int64, there and here.
        margin: gamma, the weight of the source; exp of the margin of the bound.

    Where the domains are alike, the best adversary gives the model's class the probability gamma / (1 + gamma).
    """
    agree = F.cross_entropy(known, said)
    # log(1 - p) of the claimed class, as a log-sum of the other classes: finite also where p rounds to 1
    others = unknown.scatter(1, claimed[:, None], -torch.inf).logsumexp(1)
    leave = (unknown.logsumexp(1) - others).mean()
    return margin * agree + leave


@settings
class MDD(Reversal):
    """Margin disparity discrepancy; classes only.

    A second classifier agrees with the model on the source and departs from it on the target, as far as the features
    let it; through the gradient reversal layer the features learn to leave it no room. A margin bound for several
    classes stands behind it, as behind no other critic.

    The model's own target classes are taken as they are, so it harms where most of them are wrong.

    References:
        Zhang, Liu, Long & Jordan (2019). Bridging Theory and Algorithm for Domain Adaptation. ICML. arXiv:1904.05801.

    Args:
        critic: widths of the adversary's hidden layers.
        weight: factor of the reversed gradient at full strength (0.1 in the paper).
        margin: gamma of the paper, 2 to 4 there.
    """

    weight: float = Field(default=0.1, ge=0)
    margin: float = Field(default=4.0, gt=0)

    def refuse(self) -> None:
        needs_classes(self, self.task, "sets a second classifier against the first")

    def build(self, target: Unlabelled) -> None:
        self.adversary = self.build_critic(self.model.width, self.task.outputs)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        count = len(source)
        features = self.model.features(torch.cat([source.x, target.x]))
        outputs = self.model.head(features)
        label = self.task.loss(outputs[:count], source.y)
        said, against = outputs.detach().argmax(1), self.adversary(self.reverse(features, self.ramp(progress)))
        disparity = margin_disparity(against[:count], said[:count], against[count:], said[count:], self.margin)
        yield Update(of=(self.model, self.adversary), label=(1.0, label), disparity=(1.0, disparity))
