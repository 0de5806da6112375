"""What methods with a gradient reversal layer share: the domain critic, its loss, and the schedule of its weight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ...networks.dense import local_mlp
from ...networks.layers import mlp, reverse_gradient
from ...settings import settings
from ...tasks import Task
from ...training.loop import Progress
from ..base import Objective


@settings
class Reversal(Objective):
    """Settings of an adversary behind a gradient reversal layer.

    Args:
        critic: widths of the adversary's hidden layers.
        weight: factor of the reversed gradient at full strength (1 in DANN's paper).
        gamma: steepness of the rise of this factor (10 in DANN's paper).
    """

    critic: tuple[int, ...] = (100,)
    weight: float = Field(default=1.0, ge=0)
    gamma: float = Field(default=10.0, gt=0)

    schedule: Literal["cosine", "dann", "constant"] = "dann"
    default_randomization: ClassVar[str | None] = "full"
    adapts_features: ClassVar[bool] = True

    def build_critic(self, inputs: int, outputs: int = 1) -> nn.Sequential:
        """A new critic for inputs (N, inputs), or maps of them. It is added to the networks as `critic`."""
        critic = critic_of(self.task, inputs, self.critic, outputs)
        self.networks["critic"] = critic
        return critic

    def ramp(self, progress: Progress) -> float:
        """DANN's lambda; see `rise`."""
        return rise(progress, self.gamma)

    def pull(self, label: Tensor, progress: Progress) -> float | Tensor:
        """Strength of the reversed gradient relative to the label loss, a scalar tensor: `ramp` times `unit(label)`."""
        return self.ramp(progress) * self.unit(label)

    def reverse(self, features: Tensor, ramp: float | Tensor) -> Tensor:
        """The unchanged features. Their gradient is reversed and multiplied by `weight * ramp`."""
        return reverse_gradient(features, self.weight * ramp)


def critic_of(task: Task, inputs: int, hidden: Sequence[int], outputs: int = 1) -> nn.Sequential:
    """A new critic for features (N, inputs), or, if the task is dense, for each point of maps (N, inputs, h, w)."""
    return (local_mlp if task.dense else mlp)(inputs, hidden, outputs)


def rise(progress: Progress, gamma: float = 10.0) -> float:
    """DANN's lambda, 2 / (1 + exp(-gamma p)) - 1, from 0 to 1 over the training."""
    return 2 / (1 + math.exp(-gamma * progress.fraction)) - 1


def domain_loss(logits: Tensor, sources: int, weights: Tensor | None = None) -> Tensor:
    """Cross entropy of a critic's logits (N, 1), or (N, 1, h, w). The first `sources` samples have the domain 1.

    The other samples have the domain 0. Of maps, each point counts alike.

    Args:
        weights: (N,) weights of the samples.
    """
    truth = torch.zeros_like(logits)
    truth[:sources] = 1
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").flatten(1).mean(1)
    return each.mean() if weights is None else (weights * each).mean()


def several_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross entropy of a critic for several sources and the target, with logits (N, K + 1).

    The last logit is the target's.

    Args:
        shares: (S, K) share of each source in the first S samples. The other samples are from the target.
    """
    truth = torch.zeros_like(logits)
    truth[: len(shares), :-1] = shares.to(truth)
    truth[len(shares) :, -1] = 1
    return F.cross_entropy(logits, truth)
