"""What the hand-written steps share: networks, optimizer, schedules, the average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.lib.by_hand.networks import Average, normalised

Precision = Callable[[], AbstractContextManager[Any]]


def cosine(step: int, steps: int) -> float:
    """Share of the learning rate: a warm-up over 2 percent of the steps, then a cosine to zero."""
    return min(1.0, (step + 1) / (0.02 * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps))


def falling(step: int, steps: int) -> float:
    """The schedule of the DANN paper."""
    return float((1 + 10 * step / steps) ** -0.75)


def ramp(progress: float) -> float:
    """Weight of the reversed gradient in the DANN paper."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


def rising(progress: float) -> float:
    """Weight of self-training: half a cosine over half of the steps."""
    return 0.5 - 0.5 * math.cos(math.pi * min(1.0, 2 * progress))


class ByHand:
    """What all methods share: networks, optimizer, average of the weights. Most have one update a step, and a `loss`.

    Args:
        model: of which the initial networks are copied.
        networks: all networks of the method by name, from which others are copied.
    """

    rate, decay, schedule = 1e-3, 0.998, staticmethod(cosine)
    uses_target = True

    def __init__(self, model: Any, networks: dict[str, nn.Module]) -> None:
        self.features, self.head = copy.deepcopy(model.features[1]), copy.deepcopy(model.head)
        self.build({name: copy.deepcopy(network) for name, network in networks.items() if name != "model"})
        self.optimizer = self.adam(*self.trained())
        self.average = Average(self.shipped(), self.decay)

    def build(self, networks: dict[str, nn.Module]) -> None:
        """Take the other networks."""

    def trained(self) -> list[nn.Module]:
        return [self.features, self.head]

    def shipped(self) -> list[nn.Module]:
        """The feature extractor and the head of the final model."""
        return [self.features, self.head]

    def adam(self, *networks: nn.Module) -> torch.optim.Optimizer:
        parameters = [parameter for network in networks for parameter in network.parameters()]
        return torch.optim.AdamW(parameters, self.rate, weight_decay=0.01)

    def embed(self, x: Tensor) -> Tensor:
        return self.features(normalised(x))  # type: ignore[no-any-return]

    def step(
        self, x: Tensor, y: Tensor, z: Tensor, step: int, steps: int, autocast: Precision = nullcontext
    ) -> list[Tensor]:
        """One step on source images x with labels y and target images z. Returns the loss of each update."""
        self.set_rate(self.optimizer, self.rate * self.schedule(step, steps))
        with autocast():
            loss = self.loss(x, y, z, step / steps)
        self.update(self.optimizer, loss)
        self.average.follow(step)
        return [loss.detach()]

    def set_rate(self, optimizer: torch.optim.Optimizer, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate

    def update(self, optimizers: torch.optim.Optimizer | list[torch.optim.Optimizer], loss: Tensor) -> None:
        several = optimizers if isinstance(optimizers, list) else [optimizers]
        for optimizer in several:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in several:
            optimizer.step()

    def loss(self, x: Tensor, y: Tensor, z: Tensor, progress: float) -> Tensor:
        """The loss of the one update, a scalar."""
        raise NotImplementedError
