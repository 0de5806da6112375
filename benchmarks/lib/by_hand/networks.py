"""Parts of the networks of `by_hand`: normalisation, gradient reversal, averages."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def normalised(x: Tensor) -> Tensor:
    """Images (N, C, H, W), each channel of each with mean 0 and deviation 1."""
    std, mean = torch.std_mean(x, (2, 3), keepdim=True)
    return (x - mean) / (std + 0.05)


class Reverse(torch.autograd.Function):
    """The identity, whose gradient is multiplied by `-weight`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return -ctx.weight * gradients[0], None


def reverse(x: Tensor, weight: float) -> Tensor:
    return Reverse.apply(x, weight)  # type: ignore[no-any-return, no-untyped-call]


class RunningMean:
    """Mean over all values at first, an exponential average with momentum 0.99 later."""

    def __init__(self, start: float) -> None:
        self.mean, self.count = torch.tensor(start), 0

    def update(self, value: Tensor) -> Tensor:
        self.count += 1
        keep = min(1 - 1 / self.count, 0.99)
        self.mean = keep * self.mean + (1 - keep) * value.detach().float()
        return self.mean


class Average:
    """Moving average of the weights of a model, which predicts in evaluation mode."""

    def __init__(self, networks: Sequence[nn.Module], decay: float) -> None:
        self.decay, self.latest = decay, nn.Sequential(*networks)
        self.kept = copy.deepcopy(self.latest).requires_grad_(False).eval()
        self.pairs = [
            (one, other)
            for one, other in zip(self.tensors(self.kept), self.tensors(self.latest), strict=True)
            if one.is_floating_point()
        ]

    @staticmethod
    def tensors(network: nn.Module) -> list[Tensor]:
        return [*network.parameters(), *network.buffers()]

    def __call__(self, x: Tensor) -> Tensor:
        return self.kept(x)  # type: ignore[no-any-return]

    @torch.no_grad()
    def follow(self, step: int) -> None:
        share = 1 - min(self.decay, (step + 1) / (step + 10))
        torch._foreach_lerp_([one for one, _ in self.pairs], [other for _, other in self.pairs], share)


def target_stream(features: nn.Module) -> tuple[nn.Sequential, nn.Sequential]:
    """Feature extractors of source and target that share all layers but their batch normalisation.

    Args:
        features: layers in a row; those with a `source` and a `target` have one layer for each domain.
    """
    layers = list(features.children())
    source, target = (
        nn.Sequential(*(getattr(layer, domain, layer) for layer in layers)) for domain in ("source", "target")
    )
    return source, target
