"""The start of self-training: after the source is learnt, which is measured."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ...tasks import Detection, Task
from ...training.loop import Progress
from ..shared.source_fit import LEARNT, SourceFit

EARLIEST = 0.2  # share of the training before which self-training never starts
EARLIEST_BOXES = 0.5  # the same of boxes, whose sides are wrong for long
RISE = 0.5  # share of the rest over which its weight rises


class BurnIn(nn.Module):
    """Delays self-training until the source is learnt. The state is saved with the training state.

    Labels from a model that has not learnt the source are noise, and self-training confirms this noise. It therefore
    starts when the fit of the randomized source batches (`SourceFit`) reaches `LEARNT`, and the predictions for the
    target tell its samples apart. Then its weight rises along half a cosine, as in AdaMatch. If this never happens,
    self-training never starts.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.fit = SourceFit(task)
        self.earliest = EARLIEST_BOXES if isinstance(task, Detection) else EARLIEST
        self.started: Tensor
        self.register_buffer("started", torch.tensor(-1))  # the step

    def observe(self, outputs: Tensor, labels: Any, progress: Progress, informative: bool | Tensor = True) -> None:
        """Take the student's raw outputs (B, O) for a source batch, and its labels.

        Args:
            informative: whether the latest predictions for the target tell its samples apart.
        """
        self.fit.observe(outputs, labels)
        if progress.fraction >= self.earliest:
            starts = (self.started < 0) & (self.fit.value() >= LEARNT) & informative
            self.started.copy_(torch.where(starts, progress.step, self.started))

    def weight(self, progress: Progress) -> Tensor:
        """Weight of self-training, a scalar in 0..1."""
        share = (progress.step - self.started) / (RISE * (progress.steps - self.started))
        return torch.where(self.started < 0, 0.0, 0.5 - 0.5 * torch.cos(math.pi * share.clamp(max=1)))

    @property
    def over(self) -> bool:
        """Whether self-training has started."""
        return bool(self.started >= 0)

    def notes(self) -> list[str]:
        """What the user must know: nothing, or that self-training never started."""
        if self.over:
            return []
        why = "the model predicts nearly the same for all target samples"
        if self.fit.value() < LEARNT:
            why = f"the source was not fitted well enough: {self.fit.text()}"
        return [f"self-training never started, as {why}"]
