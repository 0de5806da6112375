"""MDD: an adversarial classifier disagrees with the model on the target, and the features learn to prevent it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ...data.domains import Unlabelled
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..shared.reversal import Reversal
from ..shared.task_checks import needs_classes


def margin_disparity(known: Tensor, predicted: Tensor, unknown: Tensor, claimed: Tensor, margin: float) -> Tensor:
    """Loss of the adversary: agree with the model on the source, disagree on the target; a scalar.

    Args:
        known, unknown: the adversary's raw outputs (N, C) on the source and (M, C) on the target.
        predicted, claimed: the model's own classes (N,) int64 on the source and (M,) int64 on the target.
        margin: gamma, the weight of the source; exp of the margin of the bound.

    If the domains are alike, the best adversary assigns the probability gamma / (1 + gamma) to the model's class.
    """
    known, unknown = known.float(), unknown.float()  # differences of logarithms are mostly rounding error in bfloat16
    agree = F.cross_entropy(known, predicted)
    # log(1 - p) of the claimed class, as a log-sum over the other classes: it stays finite if p rounds to 1.
    others = unknown.scatter(1, claimed[:, None], -torch.inf).logsumexp(1)
    leave = (unknown.logsumexp(1) - others).mean()
    return margin * agree + leave


@settings
class MDD(Reversal):
    """Margin disparity discrepancy: features minimise the disagreement with an adversarial classifier on the target.

    For classes only. A second classifier, the adversary, learns to agree with the model on the source and to disagree
    on the target. Through the gradient reversal layer the features learn to prevent this disagreement. The method
    follows from a margin bound for several classes.

    The model's own target predictions are used as they are. It therefore harms if most of them are wrong.

    Differences from the paper: the adversary has its own widths, while the paper gives both classifiers the same form.
    The weight rises as in DANN over the whole training; in the authors' code it is half of the full weight after about
    1,100 steps, whatever their number.

    References:
        Zhang, Liu, Long & Jordan (2019). Bridging Theory and Algorithm for Domain Adaptation. ICML. arXiv:1904.05801.

    Args:
        critic: widths of the adversary's hidden layers.
        weight: factor of the reversed gradient at full strength (0.1 in the paper).
        margin: gamma of the paper, where it is 2 to 4.
        gamma: as in `Reversal`. It is not the paper's gamma, which is `margin`.
    """

    weight: float = Field(default=0.1, ge=0)
    margin: float = Field(default=4.0, gt=0)

    def refuse(self) -> None:
        needs_classes(self, self.task, "trains a second classifier against the first")

    def build(self, target: Unlabelled) -> None:
        self.adversary = self.build_critic(self.model.width, self.task.outputs)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        count = len(source)
        features = self.model.features(torch.cat([source.x, target.x]))
        outputs = self.model.head(features)
        label = self.task.loss(outputs[:count], source.y)
        predicted = outputs.detach().argmax(1)
        against = self.adversary(self.reverse(features, self.ramp(progress)))
        disparity = margin_disparity(
            against[:count], predicted[:count], against[count:], predicted[count:], self.margin
        )
        yield Update(of=(self.model, self.adversary), label=(1.0, label), disparity=(1.0, disparity))
