"""How well a model fits the source: accuracy on source batches, corrected for chance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...tasks import Classification, Task
from ...training.averaging import RunningMean

LEARNT = 0.5  # least value at which the source is learnt well enough for labels of its model to teach
# Least value at which values count as learnt at all. A constant answer is at 0.3, and a gaze model that had converged
# under full randomization was at 0.49 (2,100 steps of 32 rendered eyes).
LEARNT_VALUES = 0.4


class SourceFit(nn.Module):
    """Running measure of how well a model fits randomized source batches. It is saved with the training state.

    Args:
        task: the task that the model is trained for.
        momentum: of the running means, over batches.
    """

    def __init__(self, task: Task, momentum: float = 0.9) -> None:
        super().__init__()
        self.task = task
        self.right = RunningMean(torch.zeros(()), momentum)
        self.shares = RunningMean(torch.zeros(task.outputs), momentum)

    @torch.no_grad()
    def observe(self, outputs: Tensor, labels: Any) -> None:
        """Take the raw outputs (B, O) for a source batch, and its labels in a form that `task.losses` accepts."""
        if isinstance(self.task, Classification):
            shares = self.task.shares(labels)
            self.right.update((outputs.argmax(1) == shares.argmax(1)).float().mean())
            self.shares.update(shares.mean(0))
        else:
            others_labels = labels[torch.arange(len(labels), device=outputs.device).roll(1)]
            apart, others = (self.task.loss(outputs, y) for y in (labels, others_labels))
            self.right.update(1 - apart / others.clamp(min=1e-12))

    def value(self) -> Tensor:
        """How well the source is fitted, a scalar: 0 at chance, 1 without errors.

        For classes it is the accuracy, corrected for the share of the most frequent class. For values and masks it is
        1 - loss / loss against the labels of other samples.
        """
        if not isinstance(self.task, Classification):
            return self.right.mean
        chance = self.shares.mean.max()
        return (self.right.mean - chance) / (1 - chance).clamp(min=1e-6)

    def learnt(self) -> Tensor:
        """Whether the source counts as learnt, a boolean scalar. Self-training asks for more of values: `LEARNT`."""
        return self.value() >= (LEARNT if isinstance(self.task, Classification) else LEARNT_VALUES)

    def text(self) -> str:
        """The measure in words."""
        right = float(self.right.mean)
        if not isinstance(self.task, Classification):
            return f"the loss is {1 - right:.2f} of that of a random permutation of the labels"
        return f"accuracy {right:.2f}, where the most frequent class alone gives {float(self.shares.mean.max()):.2f}"
