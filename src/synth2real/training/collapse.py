"""Collapse of self-training: measured without labels. The training stops, and the last sound weights are restored."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..networks.dense import rows
from ..tasks import Classification, Segmentation
from .averaging import RunningMean, frozen
from .loop import Progress
from .model import Model

CHECK_EVERY = 10  # steps between two checks
MEMORY = 16  # batches over which the running means of the predictions extend
SOUND = 0.8  # share of its highest value that the information must keep for the weights to count as sound
FALLEN = 0.5  # below this share of its highest value, and below LEAST, the information shows a collapse
LEAST = 0.25  # information of predictions that tell samples apart
LEAST_MASKS = 0.02  # the same of pixels, most of which may be background


class EarlyStop(nn.Module):
    """The last sound weights of a model, and the step at which its training stopped. Saved with the training state."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.sound = frozen(model)
        self.steps: Tensor
        self.register_buffer(
            "steps", torch.tensor([-1, -1, 0])
        )  # of the stop; of the whole training; of the sound weights

    def keep(self, model: Model, progress: Progress) -> None:
        """Take the weights of `model` as sound."""
        self.sound.load_state_dict(model.state_dict())
        self.steps[2] = progress.step + 1

    def stop(self, progress: Progress) -> None:
        """Stop the training."""
        self.steps[0], self.steps[1] = progress.step + 1, progress.steps

    @property
    def stopped(self) -> bool:
        """Whether the training must end."""
        return bool(self.steps[0] >= 0)

    def notes(self, why: str) -> list[str]:
        """What the user must know: nothing, or that the training stopped."""
        if not self.stopped:
            return []
        stop, steps, kept = self.steps.tolist()
        return [f"self-training stopped at step {stop} of {steps}: {why}; the model is the one of step {kept}"]


class CollapseWatch(nn.Module):
    """Detects that a model which learns from its own predictions begins to predict one class for all samples.

    It measures the mutual information of predictions and samples, I = (H(mean p) - mean H(p)) / ln C, with the entropy
    H. I is 0 if all samples get the same probabilities. It is 1 if each sample gets one class with certainty, and all C
    classes are predicted equally often. The usual level differs between data sets. I is therefore compared with its own
    highest value since self-training started: a collapse is a fall below half of it, and below 0.25. The state is saved
    with the training state.

    Args:
        model: for classes or masks. Of masks, each point of the maps is a sample. The watch keeps a copy of the last
            sound weights.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        assert isinstance(model.task, Classification | Segmentation)
        self.classes, self.least = model.task.classes, LEAST_MASKS if model.task.dense else LEAST
        self.end = EarlyStop(model)
        self.shares = RunningMean(torch.zeros(len(self.classes)), 1 - 1 / MEMORY)
        self.entropy = RunningMean(torch.zeros(()), 1 - 1 / MEMORY)
        self.highest: Tensor
        self.register_buffer("highest", torch.zeros(()))

    @torch.no_grad()
    def observe(self, probabilities: Tensor) -> None:
        """Take the class probabilities (B, C) or (B, C, h, w) of a target batch, before any alignment with a prior."""
        points = rows(probabilities.float())
        self.shares.update(points.mean(0))
        self.entropy.update(torch.special.entr(points).sum(1).mean())

    def information(self) -> Tensor:
        """Mutual information of the latest predictions and samples, a scalar in 0..1."""
        apart = torch.special.entr(self.shares.mean).sum() - self.entropy.mean
        information: Tensor = apart / math.log(len(self.classes))
        return information.clamp(min=0)

    def informative(self) -> Tensor:
        """Whether the predictions tell samples apart, a boolean scalar."""
        return self.information() >= self.least

    @torch.no_grad()
    def check(self, model: Model, progress: Progress, started: bool = True) -> None:
        """Keep the weights of `model` while it is sound. If it collapses, restore its last sound weights.

        Args:
            started: whether self-training has started. Before that, all weights count as sound.
        """
        if progress.step % CHECK_EVERY or not self.shares.count:
            return
        now = self.information()
        self.highest.copy_(torch.maximum(now, self.highest) if started else now)
        if started and now < FALLEN * self.highest and now < self.least:
            model.load_state_dict(self.end.sound.state_dict())
            self.end.stop(progress)
        elif now >= SOUND * self.highest:
            self.end.keep(model, progress)

    @property
    def collapsed(self) -> bool:
        """Whether the model has collapsed. The training must end."""
        return self.end.stopped

    def notes(self) -> list[str]:
        """What the user must know: nothing, or that the training stopped."""
        name = self.classes[int(self.shares.mean.argmax())]
        return self.end.notes(f"the predictions on the target were collapsing to '{name}'")
