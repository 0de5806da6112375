"""DANN: features that a domain critic cannot tell apart, by a reversed gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from pydantic import model_validator
from pydantic_core import ArgsKwargs
from torch import Tensor

from ..domains import Unlabelled
from ..settings import settings
from ..training import Progress, SourceBatch, TargetBatch, Update
from .reversal import Reversal, domain_loss

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


@settings
class DANN(Reversal):
    """Domain-adversarial training of neural networks.

    A critic learns to tell source from target by the features; through the gradient reversal layer the features learn
    to deceive it, while the head learns the source's labels. The weight of the reversed gradient follows the paper's
    2 / (1 + exp(-gamma p)) - 1 from 0 to 1 over the training.

    Works for every task alike. It may harm where the class balance of the domains differs, since it makes their
    features equal in distribution. From MNIST to USPS, a sixth of which are zeros, one short run (400 steps, one seed)
    ended about 2 points below source only under the same randomization.

    References:
        Ganin, Ustinova, Ajakan et al. (2016). Domain-Adversarial Training of Neural Networks. JMLR 17(59).

    Args:
        preset: `paper` is the paper's MNIST architecture to the letter: network, critic, SGD from 0.01 with momentum
            0.9, source statistics, and no randomization. Fields given beside it win.
        critic, weight, gamma: see `Reversal`; the paper's.
    """

    preset: Literal["default", "paper"] = "default"

    randomized_by: ClassVar[str | None] = "photometric"

    @model_validator(mode="before")
    @classmethod
    def _take_preset(cls, given: ArgsKwargs) -> ArgsKwargs:
        fields = given.kwargs or {}
        return ArgsKwargs((), {**PAPER, **fields} if fields.get("preset") == "paper" else fields)

    def build(self, target: Unlabelled) -> None:
        self.domain_critic = self.build_critic(self.model.width)

    def domain_loss(self, features: Tensor, sources: int, ramp: float) -> Tensor:
        """Cross entropy of the critic, source 1 and target 0, whose gradient arrives reversed at the features."""
        return domain_loss(self.domain_critic(self.reverse(features, ramp)), sources)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.model.features(torch.cat([source.x, target.x]))
        label = self.task.loss(self.model.head(features[: len(source)]), source.y)
        domain = self.domain_loss(features, len(source), self.ramp(progress))
        yield Update(of=(self.model, self.domain_critic), label=(1.0, label), domain=(1.0, domain))
