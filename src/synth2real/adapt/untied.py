"""Untied: a stream of layers for each domain, alike but not equal, and tied where the domains do not differ."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.domains import Unlabelled
from ..errors import InputError
from ..measure.discrepancies import mmd
from ..settings import settings
from ..training.loop import Progress, SourceBatch, TargetBatch, Update
from ..training.model import Model
from .base import Objective


@settings
class Untied(Objective):
    """Beyond sharing weights: the target has layers of its own, bound to the source's up to a linear map.

    One network for both domains must be blind to what tells them apart; two can each see it. The target's own layers
    stay near the source's: for each of them, exp(|a s + b - t|^2) - 1 of the weights s and t is added, with scalars a
    and b that are learnt along, so that what is cheap is a change of scale or level of a whole layer. All other layers,
    and the head, are tied: the same. The features of both streams are drawn together by their MMD, and the target's
    stream is shipped.

    Serves every task. Untying the first layers suits domains that differ in their pixels (synthetic and real), untying
    the last suits domains that differ in what they show. It harms where the class balance differs between the domains,
    as every method that makes features equal in distribution; and the more layers are untied, the more of the target's
    stream rests on the MMD alone.

    References:
        Rozantsev, Salzmann & Fua (2018). Beyond Sharing Weights for Deep Domain Adaptation. TPAMI 41(4).
        arXiv:1603.06432.

    Args:
        untied_layers: which layers the target has for its own, counted from 0 at the input; a layer is a convolution or a linear
            map with its normalisation. Of the others none is its own, and the head never is.
        related: weight of the distance of own weights from the source's (1 in the paper).
        weight: of the features' MMD (1 in the paper).
    """

    untied_layers: tuple[int, ...] = Field(default=(0,), min_length=1)
    related: float = Field(default=1.0, ge=0)
    weight: float = Field(default=1.0, ge=0)
    schedule: Literal["cosine", "dann", "constant"] = "cosine"
    default_randomization: ClassVar[str | None] = "full"
    adapts_extractor: ClassVar[bool] = True
    least_batch: ClassVar[int] = 2

    def build(self, target: Unlabelled) -> None:
        layers = weighted(self.model)
        for index in self.untied_layers:
            if not 0 <= index < len(layers):
                raise InputError(
                    f"adapt.untied_layers names the layer {index}, but the network has {len(layers)}, expected 0 to "
                    f"{len(layers) - 1}"
                )
        # Deep copies of the own layers alone: what a copy shares with the source it keeps sharing.
        shared = [module for i, layer in enumerate(layers) if i not in self.untied_layers for module in layer]
        kept = [self.model.head, self.model.features[0], *shared]
        memo = {id(part): part for whole in kept for part in [*whole.modules(), *whole.parameters(), *whole.buffers()]}
        self.stream: Model = copy.deepcopy(self.model, memo)
        theirs = weighted(self.stream)
        self.pairs = [
            list(zip(_parameters(layers[i]), _parameters(theirs[i]), strict=True))
            for i in sorted(set(self.untied_layers))
        ]
        self.own_layers = nn.ModuleList(module for i in sorted(set(self.untied_layers)) for module in theirs[i])
        self.maps = Maps(len(self.pairs))
        self.networks |= {"own": self.own_layers, "maps": self.maps}

    def shipped(self) -> Model:
        return self.stream

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        ours, theirs = self.model.features(source.x), self.stream.features(target.x)
        label = self.task.loss(self.model.head(ours), source.y)
        yield Update(
            of=(self.model, self.own_layers, self.maps),
            label=(1.0, label),
            features=(self.weight, mmd(ours, theirs)),
            related=(self.related, self.maps(self.pairs)),
        )


class Maps(nn.Module):
    """For each pair of layers the scale and the level by which the source's weights are mapped onto the target's."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(layers))
        self.level = nn.Parameter(torch.zeros(layers))

    def forward(self, pairs: list[list[tuple[Tensor, Tensor]]]) -> Tensor:
        """Sum over layers of exp(|a s + b - t|^2) - 1, a scalar; 0 where every t is its map of s."""
        apart = [
            sum((scale * s + level - t).square().sum() for s, t in pair)
            for scale, level, pair in zip(self.scale, self.level, pairs, strict=True)
        ]
        return torch.stack([torch.as_tensor(one).expm1() for one in apart]).sum()


def weighted(model: Model) -> list[list[nn.Module]]:
    """The layers of a model's features: each a module with weights, and the normalisation that follows it."""
    layers: list[list[nn.Module]] = []
    for module in model.features[1].children():
        if isinstance(module, nn.Conv2d | nn.Linear):
            layers.append([module])
        elif layers and next(module.parameters(), None) is not None:
            layers[-1].append(module)
    return layers


def _parameters(layer: list[nn.Module]) -> list[nn.Parameter]:
    return [parameter for module in layer for parameter in module.parameters()]
