"""DANN: a domain critic behind a gradient reversal layer makes the features of both domains alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from pydantic_core import ArgsKwargs
from torch import Tensor, nn
from torch.nn import functional as F

from ...data.domains import Unlabelled
from ...errors import InputError
from ...settings import settings
from ...tasks import Detection
from ...training.loop import Progress, SourceBatch, TargetBatch, Terms, Update
from ..shared.reversal import Reversal, critic_of, domain_loss, several_loss

PAPER: dict[str, Any] = {
    "statistics": "source",
    "optimize": "sgd",
    "rate": 0.01,
    "schedule": "dann",
    "weight_decay": 0.0,
    "dropout": 0.0,
    "decay": 0.0,
}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {**PAPER, "network": "dann-mnist", "head": (100, 100), "critic": (100,)},
    "paper-svhn": {
        **PAPER,
        "network": "dann-svhn",
        "head": (3072, 2048),
        "critic": (1024, 1024),
        "dropout": 0.5,
        "hidden_dropout": 0.5,
        "max_norm": 4.0,
    },
    "paper-gtsrb": {**PAPER, "network": "dann-gtsrb", "head": (512,), "critic": (1024, 1024)},
}
SHALLOW_WEIGHTS = tuple(10 ** (-2 + i / 4) for i in range(9))  # the paper's grid, 0.01 to 1
SHALLOW: dict[str, Any] = {  # the preset `paper` on features
    "network": "shallow-100",
    "statistics": "none",
    "head": (),
    "critic": (),
    "rate": 0.01,
    "schedule": "constant",
}


@settings
class DANN(Reversal):
    """Domain-adversarial training: gradient reversal makes features from which a critic cannot classify the domain.

    A critic learns to classify the domain (source or target) from the features. Through the gradient reversal layer the
    features learn to make the critic fail, while the head learns the source labels. The weight of the reversed gradient
    follows the paper: 2 / (1 + exp(-gamma p)) - 1, from 0 to 1 over the training. For values, points and gaze, this
    weight is multiplied by the label loss. Otherwise the critic would dominate the much smaller label loss: without the
    factor, the error on real pupils was 11 px of 128.

    Supports all tasks. It can harm if the class balance differs between the domains, because it makes the feature
    distributions equal. For classes, the head receives the features with a dropout of 0.5 by default. From USPS to
    MNIST this raised the accuracy from 0.847 to 0.896. From MNIST to USPS, where a sixth of the images are zeros, it
    raised the accuracy from 0.900 to 0.926 (1,500 steps, one seed, dev labels).

    With several sources (`data.join`), the critic classifies K + 1 domains, so that the features of all domains are
    made alike. With `discriminates="target"` the critic only distinguishes the target from all sources, as with one
    source.

    Differences from the paper: the domain loss is the mean over the samples of both domains, which is half of the
    paper's sum of two means. `statistics="source"` divides by the standard deviation, while the paper only subtracts
    the mean. The paper trains SVHN with dropout and a limited L2 norm of the weights, but gives no numbers. Those of
    `paper-svhn` are of Srivastava et al. (2014), whose architecture the paper adapts. There the critic has no dropout
    of its own.

    References:
        Ganin, Ustinova, Ajakan et al. (2016). Domain-Adversarial Training of Neural Networks. JMLR 17(59).
        Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov (2014). Dropout. JMLR 15 (dropout and norm for SVHN).
        Schoenauer-Sebag et al. (2019). Multi-Domain Adversarial Learning. ICLR. arXiv:1903.09239 (several domains).
        Chen, Li, Sakaridis, Dai & Van Gool (2018). Domain Adaptive Faster R-CNN. CVPR. arXiv:1803.03243 (objects).
        Hsu, Tsai, Lin & Yang (2020). Every Pixel Matters: Center-aware Feature Alignment. ECCV. arXiv:2008.08574.

    Args:
        preset: `paper` is exactly the paper's MNIST architecture: network, label predictor, critic, SGD from 0.01 with
            momentum 0.9, source statistics, the weights of the last step, and no randomization. `paper-svhn` and
            `paper-gtsrb` are the architectures for house numbers (32 by 32, with dropout and `max_norm`) and traffic
            signs (40 by 40). Other given fields override the preset. On features, `paper` is the shallow network of
            section 5.1: one hidden layer of sigmoids, a logistic critic, and a fixed learning rate. This rate is 0.01
            with momentum on batches of 64; the paper uses 0.001 on single samples. The paper chooses `weight`
            (SHALLOW_WEIGHTS) and 50 or 100 hidden units (`network`) by `reverse_validation.choose`.
        discriminates: for several sources: `each` distinguishes every source and the target; `target` only
            distinguishes the target from all sources.
        hidden_dropout: share of the units of each hidden layer of the head that is dropped during the training.
        max_norm: greatest norm of the weights of the inputs of one unit, in every layer. After a step, larger weights
            are scaled to it. None for no limit.
        objects: boxes only: weight of a second critic, for which each point of the maps counts as much as the model
            sees the centre of an object there. The other critic mostly sees background. 0 for none.
        critic, weight, gamma: see `Reversal`; the defaults are the paper's.
    """

    preset: Literal["default", "paper", "paper-svhn", "paper-gtsrb"] = "default"
    discriminates: Literal["each", "target"] = "each"
    hidden_dropout: float = Field(default=0.0, ge=0, lt=1)
    max_norm: float | None = Field(default=None, gt=0)
    objects: float = Field(default=0.0, ge=0)

    serves_maps: ClassVar[bool] = True
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
        # Replace only the values that the preset has set. Other given fields override the preset here, too.
        taken = {name: value for name, value in SHALLOW.items() if getattr(self, name) == PRESETS["paper"][name]}
        return dataclasses.replace(self, **taken)

    def refuse(self) -> None:
        if self.objects and not isinstance(self.task, Detection):
            raise InputError(
                f"adapt.objects={self.objects:g} weighs features by the objects that are seen; the task "
                f"{self.task.kind} has none, expected boxes (detect). Set adapt.objects to 0"
            )
        if self.objects and self.model.has_sets:
            raise InputError(
                f"adapt.objects={self.objects:g} weighs the points of maps by the objects that are seen there; the "
                f"network '{self.model.description['network']}' predicts sets of boxes, expected transformers:NAME or "
                "another network of maps. Set adapt.objects to 0"
            )

    def build(self, target: Unlabelled) -> None:
        several = self.sources > 1 and self.discriminates == "each"
        self.domain_critic = self.build_critic(self.model.width, self.sources + 1 if several else 1)
        if self.hidden_dropout:
            drop_hidden(self.model.head, self.hidden_dropout)
        if self.objects:
            self.networks["objects"] = critic_of(self.task, self.model.width, self.critic)

    def domain_loss(self, features: Tensor, sources: int, ramp: float | Tensor, shares: Tensor | None = None) -> Tensor:
        """Cross entropy of the critic. Its gradient reaches the features with reversed sign.

        Args:
            sources: number of source samples. They are the first rows of `features`; the other rows are target samples.
            shares: (sources, K) share of each of several sources in each sample; None for one source.
        """
        logits = self.domain_critic(self.reverse(features, ramp))
        if shares is None or logits.shape[1] == 1:
            return domain_loss(logits, sources)
        return several_loss(logits, shares)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.model.features(torch.cat([source.x, target.x]))
        outputs = self.model.head(features if self.objects else features[: len(source)])
        label = self.task.loss(outputs[: len(source)], source.y)
        pull = self.pull(label, progress)
        terms: dict[str, Terms] = {
            "label": (1.0, label),
            "domain": (1.0, self.domain_loss(features, len(source), pull, source.domain)),
        }
        if self.objects:
            terms["objects"] = (self.objects, self.object_loss(features, outputs, len(source), pull))
        yield Update(of=tuple(self.networks[name] for name in ("model", *self.critics)), **terms)
        if self.max_norm is not None:
            limit_norms(self.model, self.max_norm)
            for name in self.critics:
                limit_norms(self.networks[name], self.max_norm)

    @property
    def critics(self) -> tuple[str, ...]:
        """Names of the critics among the networks."""
        return ("critic", "objects") if self.objects else ("critic",)

    def object_loss(self, features: Tensor, outputs: Tensor, sources: int, ramp: float | Tensor) -> Tensor:
        """Cross entropy of the critic of objects, over the points of both domains, which count alike.

        Args:
            features, outputs: maps of both domains. The first `sources` samples are of the source.
        """
        assert isinstance(self.task, Detection)
        seen = outputs[:, : len(self.task.classes)].detach().float().sigmoid().amax(1, keepdim=True)
        logits = self.networks["objects"](self.reverse(features, ramp))
        truth = torch.zeros_like(logits)
        truth[:sources] = 1
        each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        sizes = [sources, len(each) - sources]
        ours, theirs = (
            (weights * losses).sum() / weights.sum()
            for weights, losses in zip(seen.split(sizes), each.split(sizes), strict=True)
        )
        mean: Tensor = (ours + theirs) / 2
        return mean


def drop_hidden(head: nn.Module, share: float) -> None:
    """Put a dropout after each hidden layer of a head. The names of the parameters do not change."""
    for parent in list(head.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(parent, name, nn.Sequential(child, nn.Dropout(share)))


@torch.no_grad()
def limit_norms(network: nn.Module, most: float) -> None:
    """Scale the trained weights of the inputs of each unit to a norm of at most `most` (Srivastava et al. 2014)."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and module.weight.requires_grad:
            module.weight.copy_(module.weight.renorm(2, 0, most))
