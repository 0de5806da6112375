"""Distribution alignment: class predictions on the target, moved so that on average they are a given prior."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

MEMORY = 1024  # predictions that an exact alignment is solved on
ROUNDS = 3  # of its fixed point a step; it starts from where the last step ended
LEAST = 1e-6  # share


class Level(nn.Module):
    """Running mean of a vector over steps, saved with the training."""

    def __init__(self, start: Tensor, momentum: float = 0.99) -> None:
        super().__init__()
        self.momentum = momentum
        self.mean: Tensor
        self.count: Tensor
        self.register_buffer("mean", start.clone())
        self.register_buffer("count", torch.zeros(()))

    def update(self, value: Tensor) -> Tensor:
        """Take one more value in, and answer the mean: of all values so far until there are many, then the latest."""
        self.count += 1
        keep = torch.minimum(1 - 1 / self.count, self.count.new_tensor(self.momentum))
        self.mean.mul_(keep).add_(value.detach().float() * (1 - keep))
        return self.mean


class SoftAlignment(nn.Module):
    """Each prediction times wanted / seen, rescaled to sum to one (Berthelot et al. 2020, ReMixMatch).

    The mean comes near the prior where predictions are unsure, and stays where they are certain: it forgives a prior
    that is a little wrong.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.seen = Level(torch.full((classes,), 1 / classes))

    def forward(self, said: Tensor, wanted: Tensor) -> Tensor:
        """Aligned probabilities (B, C) of log-probabilities `said` (B, C), for a prior `wanted` (C,)."""
        seen = self.seen.update(said.exp().mean(0))
        return (said + wanted.clamp(min=LEAST).log() - seen.clamp(min=LEAST).log()).softmax(1)


class ExactAlignment(nn.Module):
    """The log-bias a class under which the mean of the latest predictions is the prior (as Sinkhorn's fixed point).

    It takes from a class that swallows another until their shares are right, however certain the predictions. Where
    the prior is wrong, so are the labels.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.memory: Tensor
        self.filled: Tensor
        self.bias: Tensor
        self.register_buffer("memory", torch.zeros(MEMORY, classes))
        self.register_buffer("filled", torch.tensor(0))
        self.register_buffer("bias", torch.zeros(classes))

    def forward(self, said: Tensor, wanted: Tensor) -> Tensor:
        """As `SoftAlignment.forward`."""
        self.memory.copy_(torch.cat([said.float(), self.memory])[:MEMORY])
        self.filled.add_(len(said)).clamp_(max=MEMORY)
        seen = self.memory[: int(self.filled)]
        for _ in range(ROUNDS):
            mean = (seen + self.bias).softmax(1).mean(0)
            self.bias.add_(wanted.clamp(min=LEAST).log() - mean.clamp(min=LEAST).log())
        self.bias.sub_(self.bias.mean())
        return (said + self.bias).softmax(1)


ALIGNMENTS: dict[Literal["soft", "exact"], type[SoftAlignment] | type[ExactAlignment]] = {
    "soft": SoftAlignment,
    "exact": ExactAlignment,
}
