"""What methods with a reversed gradient share: a critic of domains, its loss, and how its weight rises."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ...networks.layers import mlp, reverse_gradient
from ...settings import settings
from ...training.loop import Progress
from ..base import Objective


@settings
class Reversal(Objective):
    """Settings of an adversary behind the gradient reversal layer.

    Args:
        critic: widths of the adversary's hidden layers.
        weight: factor of the reversed gradient at full strength (1 in DANN's paper).
        gamma: steepness of its rise (10 in DANN's paper).
    """

    critic: tuple[int, ...] = (100,)
    weight: float = Field(default=1.0, ge=0)
    gamma: float = Field(default=10.0, gt=0)

    schedule: Literal["cosine", "dann", "constant"] = "dann"
    default_randomization: ClassVar[str | None] = "full"

    def build_critic(self, inputs: int, outputs: int = 1) -> nn.Sequential:
        """A new critic of (N, inputs), among the networks as `critic`."""
        critic = mlp(inputs, self.critic, outputs)
        self.networks["critic"] = critic
        return critic

    def ramp(self, progress: Progress) -> float:
        """DANN's lambda, 2 / (1 + exp(-gamma p)) - 1, from 0 to 1 over the training."""
        return 2 / (1 + math.exp(-self.gamma * progress.fraction)) - 1

    def pull(self, label: Tensor, progress: Progress) -> float | Tensor:
        """Strength of the reversed gradient beside the label's loss, a scalar tensor: `ramp`, in units of that loss."""
        return self.ramp(progress) * self.unit(label)

    def reverse(self, features: Tensor, ramp: float | Tensor) -> Tensor:
        """The features as they are, whose gradient comes back reversed, times `weight * ramp`."""
        return reverse_gradient(features, self.weight * ramp)


def domain_loss(logits: Tensor, sources: int, weights: Tensor | None = None) -> Tensor:
    """Cross entropy of a critic's logits (N, 1): the first `sources` are of domain 1, the others of domain 0.

    Args:
        weights: (N,) of the samples.
    """
    truth = torch.zeros_like(logits)
    truth[:sources] = 1
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").flatten()
    return each.mean() if weights is None else (weights * each).mean()


def several_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross entropy of a critic of several sources and the target, its logits (N, K + 1), the target's last.

    Args:
        shares: (S, K) of each source in the first S samples; the others are of the target.
    """
    truth = torch.zeros_like(logits)
    truth[: len(shares), :-1] = shares.to(truth)
    truth[len(shares) :, -1] = 1
    return F.cross_entropy(logits, truth)
