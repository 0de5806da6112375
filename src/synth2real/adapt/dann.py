"""DANN: features that a domain critic cannot tell apart, by a reversed gradient."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from pydantic_core import ArgsKwargs
from torch import Tensor
from torch.nn import functional as F

from ..domains import Unlabelled
from ..networks import mlp, reverse_gradient
from ..settings import settings
from ..training import Progress, SourceBatch, TargetBatch, Update
from .base import Objective

PAPER: dict[str, Any] = {
    "network": "dann-mnist",
    "statistics": "source",
    "head": (100, 100),
    "critic": (100,),
    "optimize": "sgd",
    "rate": 0.01,
    "schedule": "dann",
    "weight_decay": 0.0,
}
SHALLOW_WEIGHTS = tuple(10 ** (-2 + i / 4) for i in range(9))  # the paper's grid, 0.01 to 1
SHALLOW: dict[str, Any] = {  # the same for features
    "network": "shallow-100",
    "statistics": "none",
    "head": (),
    "critic": (),
    "rate": 0.01,
    "schedule": "constant",
}


@settings
class DANN(Objective):
    """Domain-adversarial training of neural networks.

    A critic learns to tell source from target by the features; through the gradient reversal layer the features learn
    to deceive it, while the head learns the source's labels. The weight of the reversed gradient follows the paper's
    2 / (1 + exp(-gamma p)) - 1 from 0 to 1 over the training.

    Works for every task alike. It may harm where the class balance of the domains
    differs: it makes their features equal in distribution.

    References:
        Ganin, Ustinova, Ajakan et al. (2016). Domain-Adversarial Training of Neural Networks. JMLR 17(59).

    Args:
        preset: `paper` is the paper's MNIST architecture to the letter: network, critic, SGD from 0.01 with momentum
            0.9, source statistics, and no randomization. Fields given beside it win. On features it is the paper's
            shallow network of section 5.1: one hidden layer of sigmoids, a logistic critic, and a fixed learning rate,
            0.01 with momentum on batches of 64 where the paper has 0.001 on single samples. The paper chooses `weight`
            (SHALLOW_WEIGHTS) and 50 or 100 hidden units (`network`) by `reverse_validation.choose`.
        critic: widths of the critic's hidden layers.
        weight: factor of the reversed gradient at full strength (1 in the paper).
        gamma: steepness of its schedule (10 in the paper).
    """

    preset: Literal["default", "paper"] = "default"
    critic: tuple[int, ...] = (100,)
    weight: float = Field(default=1.0, ge=0)
    gamma: float = Field(default=10.0, gt=0)

    schedule: Literal["cosine", "dann", "constant"] = "dann"
    randomized_by: ClassVar[str | None] = "photometric"

    @model_validator(mode="before")
    @classmethod
    def _take_preset(cls, given: ArgsKwargs) -> ArgsKwargs:
        fields = given.kwargs or {}
        return ArgsKwargs((), {**PAPER, **fields} if fields.get("preset") == "paper" else fields)

    def fresh(self, shape: tuple[int, ...] | None = None) -> Self:
        shallow = self.preset == "paper" and shape is not None and len(shape) == 1
        if not shallow:
            return super().fresh(shape)
        # Only what the preset itself has set; fields given beside it win here, too.
        taken = {name: value for name, value in SHALLOW.items() if getattr(self, name) == PAPER[name]}
        return dataclasses.replace(self, **taken)

    def build(self, target: Unlabelled) -> None:
        self.domain_critic = mlp(self.model.width, self.critic, 1)
        self.networks["critic"] = self.domain_critic

    def ramp(self, progress: Progress) -> float:
        """The paper's lambda, from 0 to 1."""
        return 2 / (1 + math.exp(-self.gamma * progress.fraction)) - 1

    def domain_loss(self, features: Tensor, sources: int, ramp: float) -> Tensor:
        """Cross entropy of the critic, source 1 and target 0, whose gradient arrives reversed at the features."""
        logits = self.domain_critic(reverse_gradient(features, self.weight * ramp)).flatten()
        truth = torch.zeros_like(logits)
        truth[:sources] = 1
        return F.binary_cross_entropy_with_logits(logits, truth)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.model.features(torch.cat([source.x, target.x]))
        label = self.task.loss(self.model.head(features[: len(source)]), source.y)
        domain = self.domain_loss(features, len(source), self.ramp(progress))
        yield Update(of=(self.model, self.domain_critic), label=(1.0, label), domain=(1.0, domain))
