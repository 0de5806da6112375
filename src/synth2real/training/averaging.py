"""Moving averages of a model's weights, and running means of measured values."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..networks.tuning import tuned_parts
from .loop import Progress
from .model import Model


def frozen(model: Model) -> Model:
    """A copy without gradients, in evaluation mode. Untrained layers are shared, not copied."""
    shared = [layer for part in tuned_parts(model) for layer in part.fixed]
    copied = copy.deepcopy(model, {id(layer): layer for layer in shared})
    copied.requires_grad_(False)
    copied.train(False)
    return copied


def unfrozen(model: Model) -> Model:
    """The same model, in which all parameters take gradients again but those that are not trained, see `Tuned`."""
    model.requires_grad_(True)
    for part in tuned_parts(model):
        part.settle()
    return model


@torch.no_grad()
def follow(average: Model, latest: Model, decay: float, progress: Progress) -> None:
    """Update a moving average of a model's weights and batch statistics by one step.

    The average at step s (from 0) keeps min(decay, (s + 1) / (s + 10)) of itself. It is therefore a mean over the last
    ninth of the steps so far, until it is one over the last 1 / (1 - decay) steps.
    """
    share = 1 - min(decay, (progress.step + 1) / (progress.step + 10))
    kept = [*average.parameters(), *average.buffers()]
    now = [*latest.parameters(), *latest.buffers()]
    pairs = [(one, other) for one, other in zip(kept, now, strict=True) if one is not other]  # the same: not trained
    moved = [(one, other) for one, other in pairs if one.is_floating_point()]
    torch._foreach_lerp_([one for one, _ in moved], [other for _, other in moved], share)
    for one, other in pairs:
        if not one.is_floating_point():
            one.copy_(other)


class RunningMean(nn.Module):
    """Running mean of a tensor over steps. It is saved with the training state."""

    def __init__(self, start: Tensor, momentum: float = 0.99) -> None:
        super().__init__()
        self.momentum = momentum
        self.mean: Tensor
        self.count: Tensor
        self.register_buffer("mean", start.clone())
        self.register_buffer("count", torch.zeros(()))

    def update(self, value: Tensor) -> Tensor:
        """Add a value and return the mean.

        At first it is the mean over all values. After many values it becomes an exponential moving average.
        """
        self.count += 1
        keep = (1 - 1 / self.count).clamp(max=self.momentum)
        self.mean.mul_(keep).add_(value.detach().float() * (1 - keep))
        return self.mean
