"""Tasks: what is predicted. Head width, loss, prediction, metrics with their units, and how labels move with a warp."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from torch import Tensor

from ..data.domains import Labelled
from ..errors import InputError
from ..transforms.mix import Mix
from ..transforms.warp import Warp


class Task(ABC):
    """What a model predicts.

    A task knows how wide the head is (`outputs`), turns raw outputs (N, outputs) into predictions, scores them, and
    moves labels when a `Warp` moves the image.
    """

    kind: ClassVar[str]
    metric: ClassVar[str] = "mean_error"  # the one of `metrics` that stands first; only of accuracy more is better
    spatial: ClassVar[bool] = False  # whether the features must keep where things are

    @classmethod
    @abstractmethod
    def of(cls, source: Labelled) -> Self:
        """The task that the labels of `source` pose; `InputError` where they do not fit it."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Width of the head."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Plain data from which `task(**settings)` builds this task again."""

    @abstractmethod
    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Loss of each sample, (N,) float32, from raw outputs (N, outputs)."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Tensor:
        """Predictions in the label's own form and units, from raw outputs (N, outputs)."""

    @abstractmethod
    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, Any]:
        """Metrics of predictions against labels, names to floats."""

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Mean loss over a batch, a scalar."""
        return self.losses(outputs, labels).mean()

    def to_input(self, labels: Tensor, given: Tensor | None, size: Sequence[int]) -> Tensor:
        """Labels as they stand in images resized from `given` (N, 2) height and width to `size`."""
        return labels

    def from_input(self, predictions: Tensor, given: Tensor | None, size: Sequence[int]) -> Tensor:
        """The way back of `to_input`: predictions in the pixels of the image as given."""
        return predictions

    def move(self, labels: Tensor, warp: Warp | None) -> Tensor:
        """Labels after `warp` has moved the images; labels that are no geometry stay as they are."""
        return labels

    def mix(self, labels: Tensor, mix: Mix) -> Tensor:
        """Labels after `mix` has mixed the images, in a form that `losses` takes; of a kind that the task allows."""
        return mix.labels(labels)


def number_labels(source: Labelled, kind: str) -> Tensor:
    if source.classes:
        raise InputError(
            f"the task {kind} needs number columns, found class labels ({', '.join(source.classes[:5])}). "
            "Name the columns: --label x --label y (in Python label=['x', 'y'])"
        )
    return source.labels
