"""Distribution alignment: changes class predictions on the target so that their mean equals a given prior."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...measure.priors import bbse, confusion, mlls
from ...tasks import Classification
from ...training.averaging import RunningMean
from ...training.loop import Progress

Alignment = Literal["soft", "exact"]
Prior = Literal["source", "none", "estimated", "mlls"] | tuple[float, ...]

MEMORY = 1024  # predictions that the exact alignment uses
ROUNDS = 3  # fixed-point iterations in each step; they start from the result of the last step
LEAST = 1e-6  # lowest share of a class
PULL = 0.1  # strength that pulls an estimated prior towards the source's


class SoftAlignment(nn.Module):
    """Multiply each prediction by wanted / seen and rescale it to a sum of one (Berthelot et al. 2020, ReMixMatch).

    Predictions with low confidence change most, so their mean approaches the prior. Confident predictions hardly
    change. A prior that is a little wrong therefore does little harm.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.seen = RunningMean(torch.full((classes,), 1 / classes))

    def forward(self, log_probabilities: Tensor, wanted: Tensor) -> Tensor:
        """Aligned probabilities (B, C) for log-probabilities (B, C), with the prior `wanted` (C,)."""
        seen = self.seen.update(log_probabilities.exp().mean(0))
        return (log_probabilities + wanted.clamp(min=LEAST).log() - seen.clamp(min=LEAST).log()).softmax(1)


class ExactAlignment(nn.Module):
    """Add one log-bias per class so that the mean of the latest predictions equals the prior.

    The biases are the fixed point of an iteration as in Sinkhorn's algorithm. If too many samples are predicted as one
    class, the bias lowers its share to the prior, even against confident predictions. If the prior is wrong, the labels
    are wrong too.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.memory: Tensor
        self.filled: Tensor
        self.bias: Tensor
        self.register_buffer("memory", torch.zeros(MEMORY, classes))
        self.register_buffer("filled", torch.tensor(0))
        self.register_buffer("bias", torch.zeros(classes))

    def forward(self, log_probabilities: Tensor, wanted: Tensor) -> Tensor:
        """As `SoftAlignment.forward`."""
        self.memory.copy_(torch.cat([log_probabilities.float(), self.memory])[:MEMORY])
        self.filled.add_(len(log_probabilities)).clamp_(max=MEMORY)
        seen = self.memory[: int(self.filled)]
        for _ in range(ROUNDS):
            mean = (seen + self.bias).softmax(1).mean(0)
            self.bias.add_(wanted.clamp(min=LEAST).log() - mean.clamp(min=LEAST).log())
        self.bias.sub_(self.bias.mean())
        return (log_probabilities + self.bias).softmax(1)


ALIGNMENTS: dict[Alignment, type[SoftAlignment] | type[ExactAlignment]] = {
    "soft": SoftAlignment,
    "exact": ExactAlignment,
}


class ToPrior(nn.Module):
    """Aligns predictions on the target with a prior of its classes. The prior can be estimated during the training.

    The estimate compares the student's predictions for randomized images of both domains. The source, whose classes are
    known, gives the confusion matrix. It is updated in every step, instead of on a held-out part. While the student
    makes many errors on the target, the estimate is wrong too, and labels that follow it would confirm it. The source's
    balance is therefore used for the first half of the training. Then the prior changes gradually to the estimate.

    Args:
        task: the task that defines the classes.
        prior: `source`, the source's balance; `none`, no alignment; `estimated`, by `priors.bbse`; `mlls`, by
            `priors.mlls`; or one share per class.
        alignment: `soft` or `exact`.

    Raises:
        InputError: the number of shares is not the number of classes.
    """

    def __init__(self, task: Classification, prior: Prior, alignment: Alignment) -> None:
        super().__init__()
        count = task.outputs
        if isinstance(prior, tuple) and len(prior) != count:
            raise InputError(
                f"adapt.target_prior has {len(prior)} shares, expected {count}, one per class: "
                f"{', '.join(task.classes)}"
            )
        self.task, self.prior = task, prior
        self.aligned = ALIGNMENTS[alignment](count)
        self.balance = RunningMean(torch.full((count,), 1 / count))
        self.confused = RunningMean(torch.eye(count) / count)
        self.said = RunningMean(torch.full((count,), 1 / count))
        self.estimate: Tensor
        self.trust: Tensor
        self.register_buffer("trust", torch.zeros(()))
        self.register_buffer("estimate", torch.full((count,), 1 / count))

    def observe(self, known: Tensor, truth: Tensor, unknown: Tensor, progress: Progress) -> None:
        """Update the statistics from the student's source outputs (B, C), labels (B,) or (B, C), and target outputs."""
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

    def forward(self, log_probabilities: Tensor) -> Tensor:
        """Aligned probabilities (B, C) for log-probabilities (B, C)."""
        if self.prior == "none":
            return log_probabilities.exp()
        aligned: Tensor = self.aligned(log_probabilities, self.wanted())
        return aligned
