"""Untied: some layers are separate for each domain, and a loss keeps their weights related."""

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
from ..networks.tuning import tuned_parts
from ..settings import settings
from ..training.loop import Progress, SourceBatch, TargetBatch, Update
from ..training.model import Model
from .base import Objective

WEIGHTED = (nn.Conv2d, nn.Linear)  # layers that may be untied
EXTRACTING = ("1", "bottleneck")  # parts of `Model.features` with such layers


@settings
class Untied(Objective):
    """Beyond sharing weights: trains separate layers for the target, close to a linear map of the source's layers.

    Supports all tasks. Shared weights must ignore every difference between the domains. Separate layers can use it. For
    each untied layer the loss exp(|a s + b - t|^2) - 1 keeps the target's weights t close to the source's weights s.
    The scalars a and b are learnt too, so a change of scale or level of a whole layer costs little. The head and all
    other layers are shared. The MMD between the features of both streams is minimised. The final model is the target
    stream.

    Untie the first layers if the domains differ in their pixels (synthetic and real). Untie the last layers if the
    domains differ in their content. It reduces accuracy if the class balance differs between the domains, like every
    method that makes feature distributions equal. With more untied layers, the target stream depends more on the MMD
    alone.

    References:
        Rozantsev, Salzmann & Fua (2018). Beyond Sharing Weights for Deep Domain Adaptation. TPAMI 41(4).
        arXiv:1603.06432.

    Args:
        untied_layers: indices of the layers that each domain has separately, counted from 0 at the input. A layer is a
            convolution or a linear map with its normalisation. All other layers are shared, and the head always is.
        related: weight of the distance between the target's untied weights and the source's (1 in the paper).
        weight: weight of the MMD between the features (1 in the paper).
    """

    untied_layers: tuple[int, ...] = Field(default=(0,), min_length=1)
    related: float = Field(default=1.0, ge=0)
    weight: float = Field(default=1.0, ge=0)
    schedule: Literal["cosine", "dann", "constant"] = "cosine"
    default_randomization: ClassVar[str | None] = "full"
    adapts_features: ClassVar[bool] = True
    least_batch: ClassVar[int] = 2

    def build(self, target: Unlabelled) -> None:
        layers = weighted(self.model)
        for index in self.untied_layers:
            if not 0 <= index < len(layers):
                raise InputError(
                    f"adapt.untied_layers names the layer {index}, but the network has {len(layers)}, expected 0 to "
                    f"{len(layers) - 1}"
                )
        # Copy only the untied layers. The memo makes `deepcopy` reuse all other modules instead of copying them.
        shared = [module for i, layer in enumerate(layers) if i not in self.untied_layers for module in layer]
        features = self.model.features
        fixed = [layer for part in tuned_parts(features) for layer in part.fixed]
        beside = [part for name, part in features.named_children() if name not in EXTRACTING]
        kept = [self.model.head, *beside, *fixed, *shared]
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

    def latest(self) -> Model:
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
    """One scale and one level for each pair of layers. They map the source's weights onto the target's."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(layers))
        self.level = nn.Parameter(torch.zeros(layers))

    def forward(self, pairs: list[list[tuple[Tensor, Tensor]]]) -> Tensor:
        """Sum over layers of exp(|a s + b - t|^2) - 1, a scalar. It is 0 if every t equals a s + b."""
        apart = [
            sum((scale * s + level - t).square().sum() for s, t in pair)
            for scale, level, pair in zip(self.scale, self.level, pairs, strict=True)
        ]
        return torch.stack([torch.as_tensor(one).expm1() for one in apart]).sum()


def weighted(model: Model) -> list[list[nn.Module]]:
    """The trained layers of a model's features. Each is a module with weights and the normalisation after it."""
    fixed = {id(layer) for part in tuned_parts(model) for layer in part.fixed}
    layers: list[list[nn.Module]] = []
    parts = [part for name, part in model.features.named_children() if name in EXTRACTING]
    for module in _units(nn.ModuleList(parts)):
        if id(module) in fixed:
            continue
        if isinstance(module, WEIGHTED):
            layers.append([module])
        elif layers and next(module.parameters(), None) is not None:
            layers[-1].append(module)
    return layers


def _units(network: nn.Module) -> Iterator[nn.Module]:
    """The parts of a network in order. A part that contains weighted layers, such as a block, is taken apart."""
    for module in network.children():
        if not isinstance(module, WEIGHTED) and any(isinstance(inner, WEIGHTED) for inner in module.modules()):
            yield from _units(module)
        else:
            yield module


def _parameters(layer: list[nn.Module]) -> list[nn.Parameter]:
    return [parameter for module in layer for parameter in module.parameters()]
