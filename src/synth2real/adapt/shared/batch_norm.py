"""Batch normalisation for two domains: replacing its statistics, and layers with separate statistics per domain."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...data.domains import Inputs, to_float
from ...errors import InputError
from ...networks.tuning import tuned_parts
from ...training.model import Model
from ..base import Objective

Domain = Literal["source", "target"]
BATCH = 256  # samples in each batch of the statistics
MOST = 4096  # most samples that the statistics use


def need_batch_norm(objective: Objective, name: str) -> None:
    """Raise `InputError` if the network has no batch normalisation."""
    if objective.norm != "batch":
        raise InputError(
            f"{name} needs batch statistics, found adapt.norm '{objective.norm}', expected 'batch'. "
            "Leave adapt.norm out"
        )
    if not norms(objective.model):
        network = objective.model.description["network"]
        if any(isinstance(module, _BatchNorm) for module in objective.model.modules()):
            raise InputError(
                f"{name} needs batch statistics, but those of the network '{network}' are kept as they are. Leave "
                "adapt.pretrained_norm and adapt.bottleneck out, or set adapt.tune=last"
            )
        raise InputError(
            f"{name} needs batch statistics, but the network '{network}' has no batch normalisation, expected a "
            "network such as convolutional. Leave adapt.network out"
        )


def norms(network: nn.Module) -> list[_BatchNorm]:
    """All batch normalisation layers whose statistics are not kept (`Tuned`), in the order of the network."""
    kept = {id(norm) for part in tuned_parts(network) for norm in part.held_norms}
    return [module for module in network.modules() if isinstance(module, _BatchNorm) and id(module) not in kept]


@torch.no_grad()
def take_statistics(model: Model, inputs: Inputs, statistics_by: Literal["layers", "batches"]) -> None:
    """Replace the running statistics of `model` by those of `inputs`, from at most `MOST` evenly spaced samples.

    Args:
        inputs: as the model takes them, see `Model.inputs_of`.
        statistics_by: `batches` computes all layers in one pass, in which each batch is normalised by its own
            statistics. `layers` computes one layer after the other. Each layer then receives the outputs of the layers
            before it with their new statistics.
    """
    index = torch.linspace(0, len(inputs) - 1, min(len(inputs), MOST)).long()
    count = -(-len(index) // BATCH)
    # Parts of equal size have the same weight. Each is strided over all samples: the variance within a part is that of
    # the whole, which it is not for neighbours of a sorted target.
    parts = [index[start::count] for start in range(count)]
    device = next(model.parameters()).device
    layers = norms(model)
    for group in [layers] if statistics_by == "batches" else [[layer] for layer in layers]:
        model.eval()
        for layer in group:
            layer.reset_running_stats()
            layer.train()
        momenta = [layer.momentum for layer in group]
        for layer in group:
            layer.momentum = None  # None: the running statistics are the mean over all batches
        for part in parts:
            model.features(to_float(inputs[part].to(device)))
        for layer, momentum in zip(group, momenta, strict=True):
            layer.momentum = momentum
    model.eval()


@contextmanager
def held(network: nn.Module) -> Iterator[None]:
    """In this context, layers normalise by the statistics of the batch without updating the running statistics."""
    momenta = [norm.momentum for norm in norms(network)]
    for norm in norms(network):
        norm.momentum = 0.0
    yield
    for norm, momentum in zip(norms(network), momenta, strict=True):
        norm.momentum = momentum


class DomainNorm(nn.Module):
    """Batch normalisation with separate statistics, scale and shift for each domain. `domain` selects one."""

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.domain: Domain = "source"
        self.source, self.target = norm, copy.deepcopy(norm)

    def forward(self, x: Tensor) -> Tensor:
        normalised: Tensor = self.source(x) if self.domain == "source" else self.target(x)
        return normalised


def split_norms(model: Model) -> None:
    """Replace every batch normalisation of `norms` by a `DomainNorm`."""
    split = {id(norm) for norm in norms(model)}
    for parent in [module for module in model.modules() if not isinstance(module, DomainNorm)]:
        for name, child in parent.named_children():
            if id(child) in split:
                assert isinstance(child, _BatchNorm)
                setattr(parent, name, DomainNorm(child))


def choose(model: Model, domain: Domain) -> Model:
    """Set the domain of every `DomainNorm`, and return the model."""
    for module in model.modules():
        if isinstance(module, DomainNorm):
            module.domain = domain
    return model


def joined(model: Model) -> Model:
    """A copy that keeps only the target's batch normalisation. It is an ordinary model."""
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, DomainNorm):
                setattr(parent, name, child.target)
    return model
