"""DANN: features that a domain critic cannot tell apart, by a reversed gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import model_validator
from pydantic_core import ArgsKwargs
from torch import Tensor

from ...data.domains import Unlabelled
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..shared.reversal import Reversal, domain_loss, several_loss

PAPER: dict[str, Any] = {
    "statistics": "source",
    "optimize": "sgd",
    "rate": 0.01,
    "schedule": "dann",
    "weight_decay": 0.0,
    "dropout": 0.0,
}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {**PAPER, "network": "dann-mnist", "head": (100, 100), "critic": (100,)},
    "paper-svhn": {**PAPER, "network": "dann-svhn", "head": (3072, 2048), "critic": (1024, 1024)},
    "paper-gtsrb": {**PAPER, "network": "dann-gtsrb", "head": (512,), "critic": (1024, 1024)},
}
SHALLOW_WEIGHTS = tuple(10 ** (-2 + i / 4) for i in range(9))  # the paper's grid, 0.01 to 1
SHALLOW: dict[str, Any] = {  # `paper` on features
    "network": "shallow-100",
    "statistics": "none",
    "head": (),
    "critic": (),
    "rate": 0.01,
    "schedule": "constant",
}


@settings
class DANN(Reversal):
    """Domain-adversarial training of neural networks.

    A critic learns to tell source from target by the features; through the gradient reversal layer the features learn
    to deceive it, while the head learns the source's labels. The weight of the reversed gradient follows the paper's
    2 / (1 + exp(-gamma p)) - 1 from 0 to 1 over the training; for values, points and gaze it is also times the label's
    own loss, which a critic would otherwise overrule: real pupils were then missed by 11 px of 128.

    Works for every task. It may harm where the class balance of the domains differs, since it makes their features
    equal in distribution. For classes the head sees half the features at a time: from USPS to MNIST that reached an
    accuracy of 0.896 in place of 0.847, from MNIST to USPS, a sixth of which are zeros, 0.926 for 0.900 (1,500
    steps, one seed, dev labels).

    Several sources (`several.join`) are told apart by the critic, too: it is of K + 1 domains, so that features are
    made alike in all of them. With `discriminates="target"` it tells only the target from all sources, as from one.

    References:
        Ganin, Ustinova, Ajakan et al. (2016). Domain-Adversarial Training of Neural Networks. JMLR 17(59).
        Schoenauer-Sebag et al. (2019). Multi-Domain Adversarial Learning. ICLR. arXiv:1903.09239 (several domains).

    Args:
        preset: `paper` is the paper's MNIST architecture to the letter: network, label predictor, critic, SGD from 0.01
            with momentum 0.9, source statistics, and no randomization; `paper-svhn` and `paper-gtsrb` are those for
            house numbers (32 by 32) and traffic signs (40 by 40). Fields given beside it win. On features `paper` is
            the shallow network of section 5.1: one hidden layer of sigmoids, a logistic critic, and a fixed learning
            rate, 0.01 with momentum on batches of 64 where the paper has 0.001 on single samples. The paper chooses
            `weight` (SHALLOW_WEIGHTS) and 50 or 100 hidden units (`network`) by `reverse_validation.choose`.
        discriminates: of several sources, `each` from each other and the target; or the `target` alone from all of them.
        critic, weight, gamma: see `Reversal`; the paper's.
    """

    preset: Literal["default", "paper", "paper-svhn", "paper-gtsrb"] = "default"
    discriminates: Literal["each", "target"] = "each"

    default_dropout: ClassVar[float] = 0.5
    soft_labels: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _take_preset(cls, given: ArgsKwargs) -> ArgsKwargs:
        fields = given.kwargs or {}
        return ArgsKwargs((), {**PRESETS.get(str(fields.get("preset")), {}), **fields})

    def fresh(self, shape: tuple[int, ...] | None = None) -> Self:
        shallow = self.preset == "paper" and shape is not None and len(shape) == 1
        if not shallow:
            return super().fresh(shape)
        # Only what the preset itself has set; fields given beside it win here, too.
        taken = {name: value for name, value in SHALLOW.items() if getattr(self, name) == PRESETS["paper"][name]}
        return dataclasses.replace(self, **taken)

    def build(self, target: Unlabelled) -> None:
        several = self.sources > 1 and self.discriminates == "each"
        self.domain_critic = self.build_critic(self.model.width, self.sources + 1 if several else 1)

    def domain_loss(self, features: Tensor, sources: int, ramp: float | Tensor, shares: Tensor | None = None) -> Tensor:
        """Cross entropy of the critic, whose gradient arrives reversed at the features.

        Args:
            sources: the first so many of the features are of the source, the others of the target.
            shares: (sources, K) of each of several sources; None for one.
        """
        logits = self.domain_critic(self.reverse(features, ramp))
        if shares is None or logits.shape[1] == 1:
            return domain_loss(logits, sources)
        return several_loss(logits, shares)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.model.features(torch.cat([source.x, target.x]))
        label = self.task.loss(self.model.head(features[: len(source)]), source.y)
        domain = self.domain_loss(features, len(source), self.pull(label, progress), source.domain)
        yield Update(of=(self.model, self.domain_critic), label=(1.0, label), domain=(1.0, domain))
