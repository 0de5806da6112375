"""Batch normalisation between domains: whose statistics, how they are taken, and a layer that keeps those of both."""

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
from ...training.model import Model
from ..base import Objective

Domain = Literal["source", "target"]
BATCH = 256  # samples whose statistics are taken at once
MOST = 4096  # samples that statistics are taken of


def need_batch_norm(objective: Objective, name: str) -> None:
    """Raise `InputError` where the network has no batch normalisation."""
    if objective.norm != "batch":
        raise InputError(
            f"{name} works on batch statistics, found adapt.norm '{objective.norm}', expected 'batch'. "
            "Leave adapt.norm out"
        )
    if not norms(objective.model):
        raise InputError(
            f"{name} works on batch statistics, but the network '{objective.model.description['network']}' has no "
            "batch normalisation; expected one such as convolutional. Leave adapt.network out"
        )


def norms(network: nn.Module) -> list[_BatchNorm]:
    """Every batch normalisation, in the order of the layers."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


@torch.no_grad()
def take_statistics(model: Model, inputs: Inputs, taken: Literal["layers", "batches"]) -> None:
    """Replace the running statistics of `model` by those of `inputs`, of at most `MOST` evenly spaced samples.

    Args:
        taken: `batches`: all layers in one pass, in which each batch is normalised by its own statistics; `layers`: one
            after the other, each on what the layers before it give with their new statistics.
    """
    index = torch.linspace(0, len(inputs) - 1, min(len(inputs), MOST)).long()
    parts = index.tensor_split(-(-len(index) // BATCH))  # of one size, so that each counts alike
    device = next(model.parameters()).device
    layers = norms(model)
    for group in [layers] if taken == "batches" else [[layer] for layer in layers]:
        model.eval()
        for layer in group:
            layer.reset_running_stats()
            layer.train()
        momenta = [layer.momentum for layer in group]
        for layer in group:
            layer.momentum = None  # the mean of all batches
        for part in parts:
            model.features(to_float(inputs[part].to(device)))
        for layer, momentum in zip(group, momenta, strict=True):
            layer.momentum = momentum
    model.eval()


@contextmanager
def held(network: nn.Module) -> Iterator[None]:
    """Within, batches are normalised by their statistics as ever, but these are not remembered."""
    momenta = [norm.momentum for norm in norms(network)]
    for norm in norms(network):
        norm.momentum = 0.0
    yield
    for norm, momentum in zip(norms(network), momenta, strict=True):
        norm.momentum = momentum


class DomainNorm(nn.Module):
    """Batch normalisation with statistics, scale and shift of its own for each domain; `domain` says whose are used."""

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.domain: Domain = "source"
        self.source, self.target = norm, copy.deepcopy(norm)

    def forward(self, x: Tensor) -> Tensor:
        normalised: Tensor = self.source(x) if self.domain == "source" else self.target(x)
        return normalised


def split_norms(model: Model) -> None:
    """Put a `DomainNorm` in the place of every batch normalisation."""
    for parent in [module for module in model.modules() if not isinstance(module, DomainNorm)]:
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                setattr(parent, name, DomainNorm(child))


def choose(model: Model, domain: Domain) -> Model:
    """Set whose statistics every `DomainNorm` uses, and answer the model."""
    for module in model.modules():
        if isinstance(module, DomainNorm):
            module.domain = domain
    return model


def joined(model: Model) -> Model:
    """A copy with the target's batch normalisation alone: a model as any other."""
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, DomainNorm):
                setattr(parent, name, child.target)
    return model
