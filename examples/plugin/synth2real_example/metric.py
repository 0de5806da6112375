"""A metric: one number from predictions and labels."""

from __future__ import annotations

from torch import Tensor

from synth2real.tasks import Task


def worst_class(predictions: Tensor, labels: Tensor, task: Task) -> float:
    """Share of correct predictions in the class where it is lowest."""
    right = predictions.argmax(1) == labels
    return min(float(right[labels == one].double().mean()) for one in labels.unique())
