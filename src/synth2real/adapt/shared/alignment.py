"""Distribution alignment: class predictions on the target, moved so that on average they are a given prior."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...measure.priors import bbse, confusion, mlls
from ...tasks import Classification
from ...training.loop import Progress

Alignment = Literal["soft", "exact"]
Prior = Literal["source", "none", "estimated", "mlls"] | tuple[float, ...]

MEMORY = 1024  # predictions that an exact alignment is solved on
ROUNDS = 3  # of its fixed point a step; it starts from where the last step ended
LEAST = 1e-6  # share
PULL = 0.1  # of an estimated prior towards the source's


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
        keep = (1 - 1 / self.count).clamp(max=self.momentum)
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


ALIGNMENTS: dict[Alignment, type[SoftAlignment] | type[ExactAlignment]] = {
    "soft": SoftAlignment,
    "exact": ExactAlignment,
}


class ToPrior(nn.Module):
    """Aligns predictions on the target with a prior of its classes, which may itself be estimated on the way.

    The estimate compares what the student says of randomized images of both domains: of the source, whose classes are
    known, it gives the confusion, drawn afresh at each step in place of a part held out. While the student errs much
    on the target, so does the estimate, and labels that follow it confirm it: so the source's balance holds for the
    first half of the training, and then gives way to the estimate.

    Args:
        task: whose classes.
        prior: `source`, its own balance; `none` aligns nothing; `estimated`, by `priors.bbse`; `mlls`, by
            `priors.mlls`; or one share a class.
        alignment: `soft` or `exact`.

    Raises:
        InputError: shares that are not one a class.
    """

    def __init__(self, task: Classification, prior: Prior, alignment: Alignment) -> None:
        super().__init__()
        count = task.outputs
        if isinstance(prior, tuple) and len(prior) != count:
            raise InputError(
                f"adapt.target_prior has {len(prior)} shares, expected {count}, one a class ({', '.join(task.classes)})"
            )
        self.task, self.prior = task, prior
        self.aligned = ALIGNMENTS[alignment](count)
        self.balance = Level(torch.full((count,), 1 / count))
        self.confused = Level(torch.eye(count) / count)
        self.said = Level(torch.full((count,), 1 / count))
        self.estimate: Tensor
        self.trust: Tensor
        self.register_buffer("trust", torch.zeros(()))
        self.register_buffer("estimate", torch.full((count,), 1 / count))

    def observe(self, known: Tensor, truth: Tensor, unknown: Tensor, progress: Progress) -> None:
        """Take in the student's outputs for source (B, C), its labels (B,) or shares (B, C), and those for target."""
        shares = self.task.shares(truth)
        self.balance.update(shares.mean(0))
        self.trust.fill_(max(0.0, 2 * progress.fraction - 1))
        probabilities = unknown.detach().softmax(1)
        if self.prior == "estimated":
            confused = self.confused.update(confusion(known.detach().softmax(1), shares).float())
            self.estimate.copy_(bbse(confused, self.said.update(probabilities.mean(0)), PULL))
        if self.prior == "mlls":
            now = mlls(probabilities, self.balance.mean.clamp(min=LEAST), rounds=1, start=self.estimate + LEAST)
            self.estimate.copy_(self.said.update(now))

    def wanted(self) -> Tensor:
        """The prior (C,) that predictions are aligned with."""
        if isinstance(self.prior, tuple):
            return self.balance.mean.new_tensor(self.prior)
        if self.prior == "source":
            return self.balance.mean
        return torch.lerp(self.balance.mean, self.estimate, self.trust)

    def forward(self, said: Tensor) -> Tensor:
        """Aligned probabilities (B, C) of log-probabilities `said` (B, C)."""
        if self.prior == "none":
            return said.exp()
        aligned: Tensor = self.aligned(said, self.wanted())
        return aligned
