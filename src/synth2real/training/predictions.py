"""What a model predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..data.described import some
from ..errors import InputError
from ..tasks import Classification, Task


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for some inputs.

    Args:
        values: class probabilities (N, C), or values (N, K) in the units of the labels (keypoints: pixels of the
            original image); for masks the class of each pixel (N, H, W) uint8, at the size of the model's input;
            for detection `Boxes` with scores. Of images that were cut into tiles, masks are a list of N tensors
            (H, W) uint8 of the sizes of the images, and boxes are in their pixels.
        task: the task of the model.
        names: file names, if the inputs came from files.
    """

    values: Tensor
    task: Task
    names: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"Predictions({len(self.values)} samples; {answers(self.task)})"

    @property
    def labels(self) -> list[str]:
        """The most probable class of each sample; classification only."""
        if not isinstance(self.task, Classification):
            raise InputError(f"the task {self.task.kind} predicts values, not labels. Use .values")
        return [self.task.classes[i] for i in self.values.argmax(1).tolist()]


def answers(task: Task) -> str:
    """What a task predicts, in a `repr`."""
    if task.named:
        return some(task.classes, "classes")  # type: ignore[attr-defined]
    return some(task.columns, "values")  # type: ignore[attr-defined]
