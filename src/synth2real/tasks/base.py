"""Base class of tasks: head width, loss, predictions, metrics with their units, and label transforms for a warp."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from ..data.domains import Labelled, Unlabelled
from ..data.fitting import Fitting
from ..data.labels import joined
from ..errors import InputError
from ..networks.layers import mlp
from ..transforms.mix import Mix, Mosaic
from ..transforms.warp import Warp


class Task(ABC):
    """What a model predicts.

    A task sets the width of the head (`outputs`). It converts raw outputs (N, outputs) into predictions and computes
    their metrics. It transforms the labels when a `Warp` transforms the image.
    """

    kind: ClassVar[str]
    metric: ClassVar[str] = "mean_error"  # main metric, a key of `metrics`
    higher_is_better: ClassVar[bool] = False  # of the main metric
    spatial: ClassVar[bool] = False  # whether the features must keep positions in the image
    named: ClassVar[bool] = False  # whether labels are indices of the names `classes`
    dense: ClassVar[bool] = False  # whether the features are maps (N, F, h, w) instead of vectors (N, F)

    @classmethod
    @abstractmethod
    def of(cls, source: Labelled) -> Self:
        """The task for the labels of `source`. Raises `InputError` if the labels do not fit this kind of task."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Width of the head."""

    def head(self, width: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
        """The layers from features (N, width) to raw outputs (N, outputs).

        Args:
            hidden: widths of the layers between.
            dropout: share of the features that is dropped in training.
        """
        return nn.Sequential(nn.Dropout(dropout), mlp(width, hidden, self.outputs))

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Plain data. `type(task)(**settings)` builds the same task again."""

    @abstractmethod
    def losses(self, outputs: Tensor, labels: Any) -> Tensor:
        """Loss of each sample, (N,) float32, from raw outputs (N, outputs)."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Any:
        """Predictions in the form and units of the labels, from raw outputs (N, outputs)."""

    @abstractmethod
    def metrics(self, predictions: Any, labels: Any) -> dict[str, Any]:
        """Metrics of the predictions against the labels, by name."""

    @property
    def metric_name(self) -> str:
        """The main metric in a text."""
        return self.metric.replace("_", " ")

    def align(self, evaluated: Labelled) -> Any:
        """Labels of another data set in the form of those of the training; see the tasks with names of classes.

        They are those of whole images, as predictions are, also where the data set has tiles of them.
        """
        return evaluated.labels

    def check_labels(self, labels: Any) -> None:
        """Raise `InputError` if labels of the task's columns cannot be in its units. By default all can."""
        return

    def details(self, predictions: Tensor, labels: Any, sizes: Tensor | None) -> dict[str, Any]:
        """What `metrics` leaves out: which errors occur, as plain data; by default nothing.

        Args:
            predictions, labels: as in `metrics`.
            sizes: (N, 2) height and width of each image, in the pixels of the labels; None for features.
        """
        return {}

    def loss(self, outputs: Tensor, labels: Any) -> Tensor:
        """Mean loss over a batch, a scalar."""
        return self.losses(outputs, labels).mean()

    def to_input(self, labels: Any, fitting: Fitting | None) -> Any:
        """Labels for the images of a domain as the model takes them: fitted to one size, or as given if it is None."""
        return labels

    def from_input(self, predictions: Any, fitting: Fitting | None) -> Any:
        """Inverse of `to_input`: predictions in pixels of the original image."""
        return predictions

    def predicted(self, outputs: Iterable[Tensor], domain: Labelled | Unlabelled) -> Any:
        """Predictions for a domain in pixels of the original images, from batches of raw outputs in order."""
        return self.from_input(joined([self.predict(part) for part in outputs]), domain.fitting)

    def coordinates(self, outputs: Tensor) -> Tensor:
        """Raw outputs (N, outputs) in coordinates (N, K) in which a systematic error is corrected by adding."""
        return outputs

    def from_coordinates(self, coordinates: Tensor) -> Tensor:
        """Inverse of `coordinates`: raw outputs that give the same prediction."""
        return coordinates

    def residuals(self, coordinates: Tensor, labels: Tensor) -> Tensor:
        """What must be added to the coordinates (N, K), so that the prediction is the label. Not for classes."""
        raise InputError(f"the task {self.kind} has no correction by a few labels")

    def distances(self, coordinates: Tensor, labels: Tensor) -> Tensor:
        """Size of each sample's error (N,), for cross-validation: the mean of its absolute residuals."""
        return self.residuals(coordinates, labels).abs().mean(1)

    def move(self, labels: Any, warp: Warp | None) -> Any:
        """Labels after `warp` has transformed the images. Labels without geometry do not change."""
        return labels

    def mix(self, labels: Any, mix: Mix | Mosaic) -> Any:
        """Labels after `mix` has mixed the images, in a form that `losses` accepts."""
        return mix.labels(labels)


def check_different(columns: Sequence[str]) -> None:
    """Raise `InputError` if a label column is given twice."""
    twice = next((name for name in columns if list(columns).count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"the label column '{twice}' is given twice, expected different columns. Remove one of the two"
        )


def number_labels(source: Labelled, kind: str) -> Tensor:
    if source.classes:
        raise InputError(
            f"the task {kind} needs number columns, found class labels ({', '.join(source.classes[:5])}). "
            "Name the columns: --label x --label y (in Python label=['x', 'y'])"
        )
    labels: Tensor = source.labels
    return labels
