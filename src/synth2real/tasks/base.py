"""Tasks: what is predicted. Head width, loss, prediction, metrics with their units, and how labels move with a warp."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Labelled
from ..errors import InputError
from ..transforms.mix import Mix
from ..transforms.sampling import constant
from ..transforms.warp import Warp
from .directions import degrees_between, to_angles, to_vectors


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


@dataclass(frozen=True)
class Classification(Task):
    """One class of several; cross entropy.

    Args:
        classes: names, at least two.
    """

    kind: ClassVar[str] = "classify"
    metric: ClassVar[str] = "accuracy"
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        if len(self.classes) < 2:
            raise InputError(
                f"the source holds one class only ({', '.join(self.classes)}), expected two or more to tell apart. "
                "Check the label column or the class subfolders"
            )

    @classmethod
    def of(cls, source: Labelled) -> Self:
        if not source.classes:
            raise InputError(
                f"classification needs class labels, found the number columns {', '.join(source.columns)}. "
                "Load one column as classes: load(path, label='NAME'). A simulator of values takes "
                "--task gaze, keypoints or regress"
            )
        present = source.labels.unique()
        return cls(source.classes if len(present) > 1 else (source.classes[int(present[0])],))

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def settings(self) -> dict[str, Any]:
        return {"classes": list(self.classes)}

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(outputs, labels, reduction="none")

    def shares(self, labels: Tensor) -> Tensor:
        """Shares of each class (N, C) float32, of labels in either form that `losses` takes."""
        return labels if labels.is_floating_point() else F.one_hot(labels, self.outputs).float()

    def mix(self, labels: Tensor, mix: Mix) -> Tensor:
        return mix.labels(self.shares(labels))

    def predict(self, outputs: Tensor) -> Tensor:
        """Class probabilities (N, C)."""
        return outputs.float().softmax(1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, Any]:
        """`accuracy` in 0..1, from probabilities (N, C)."""
        return {"accuracy": float((predictions.argmax(1) == labels).double().mean())}

    def align(self, evaluated: Labelled) -> Tensor:
        """Labels of another set as indices into this task's classes, (N,) int64.

        Raises:
            InputError: that set has a class which this task does not know.
        """
        if not evaluated.classes:
            raise InputError(f"expected class labels to evaluate on, found columns {', '.join(evaluated.columns)}")
        unknown = [name for name in evaluated.classes if name not in self.classes]
        if unknown:
            raise InputError(
                f"the evaluated data holds the class '{unknown[0]}', which the model does not know; "
                f"it knows {', '.join(self.classes)}. Leave those images out, or train with that class"
            )
        return torch.tensor([self.classes.index(name) for name in evaluated.classes])[evaluated.labels]


@dataclass(frozen=True)
class Regression(Task):
    """One or more numbers; Huber loss on standardised values. Labels that are nan count neither in loss nor metrics.

    Args:
        columns: names of the K values.
        mean, std: K floats, of the source's labels; the head works in units of them.
    """

    kind: ClassVar[str] = "regress"
    spatial: ClassVar[bool] = True
    columns: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("columns", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @classmethod
    def of(cls, source: Labelled) -> Self:
        labels = _numbers(source, cls.kind)
        known = labels.isfinite()
        if not known.any(0).all():
            empty = source.columns[int((~known.any(0)).nonzero()[0])]
            raise InputError(f"the label column '{empty}' holds no number, expected at least two different ones")
        mean = labels.nanmean(0)
        std = (labels - mean).square().nanmean(0).sqrt()
        if not (std > 0).all():
            constant = int((std <= 0).nonzero()[0])
            raise InputError(
                f"the label column '{source.columns[constant]}' is {float(mean[constant]):g} everywhere, "
                "expected numbers that differ: there is nothing to learn from"
            )
        return cls(source.columns, tuple(mean.tolist()), tuple(std.tolist()))

    @property
    def outputs(self) -> int:
        return len(self.columns)

    def settings(self) -> dict[str, Any]:
        return {"columns": list(self.columns), "mean": list(self.mean), "std": list(self.std)}

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        target = (labels - labels.new_tensor(self.mean)) / labels.new_tensor(self.std)
        known = target.isfinite()
        each = F.smooth_l1_loss(outputs, torch.where(known, target, outputs.detach()), reduction="none", beta=0.1)
        return each.sum(1) / known.sum(1).clamp(min=1)

    def predict(self, outputs: Tensor) -> Tensor:
        """Values (N, K) in the labels' units."""
        return outputs.float() * outputs.new_tensor(self.std) + outputs.new_tensor(self.mean)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, Any]:
        """`mean_error`, `median_error` of the absolute error averaged over columns; each column's under `columns`.

        A column without a number has None for both.
        """
        known = labels.isfinite()
        if not known.any():
            raise InputError(f"the label columns {', '.join(self.columns)} hold no number, expected one or more")
        errors = (predictions - labels).abs().where(known, torch.nan)
        each = errors.nanmean(1)
        columns = {
            name: {
                "mean_error": float(errors[:, i].nanmean()) if known[:, i].any() else None,
                "median_error": float(errors[:, i].nanquantile(0.5)) if known[:, i].any() else None,
            }
            for i, name in enumerate(self.columns)
        }
        return {"mean_error": float(each.nanmean()), "median_error": float(each.nanquantile(0.5)), "columns": columns}


@dataclass(frozen=True)
class Keypoints(Task):
    """Points in the image, in pixels; Huber loss on coordinates scaled to the frame. Points that are nan count nowhere.

    Args:
        columns: 2 K names, an x and a y for each point.
        size: height and width of the images that the model sees, in pixels.
    """

    kind: ClassVar[str] = "keypoints"
    spatial: ClassVar[bool] = True
    columns: tuple[str, ...]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "size", tuple(self.size))
        if len(self.columns) % 2:
            raise InputError(
                f"keypoints need an x and a y column for each point, found {len(self.columns)} "
                f"({', '.join(self.columns)}). Give them in pairs: --label iris_x --label iris_y"
            )

    @classmethod
    def of(cls, source: Labelled) -> Self:
        _numbers(source, cls.kind)
        if len(source.shape) != 3:
            raise InputError(f"keypoints need images, found features of shape {source.shape}")
        return cls(source.columns, (source.shape[1], source.shape[2]))

    @property
    def outputs(self) -> int:
        return len(self.columns)

    def settings(self) -> dict[str, Any]:
        return {"columns": list(self.columns), "size": list(self.size)}

    def _half(self, like: Tensor) -> Tensor:
        """Half the frame in pixels, (2,): the unit of the head's outputs, which are 0 in the middle of the frame."""
        return constant((self.size[1] / 2, self.size[0] / 2), like.device).to(like.dtype)

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        target = ((_pairs(labels) + 0.5) / self._half(outputs) - 1).flatten(1)
        known = target.isfinite()
        each = F.smooth_l1_loss(outputs, torch.where(known, target, outputs.detach()), reduction="none", beta=0.02)
        return each.sum(1) / known.sum(1).clamp(min=1)

    def predict(self, outputs: Tensor) -> Tensor:
        """Coordinates (N, 2 K) in pixels of the image that the model saw."""
        return ((_pairs(outputs.float()) + 1) * self._half(outputs) - 0.5).flatten(1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, Any]:
        """`mean_error`, `median_error` in pixels a point, and the shares `within_2px` and `within_4px`."""
        errors = _pairs(predictions - labels).norm(dim=-1).flatten()
        errors = errors[errors.isfinite()]
        if len(errors) == 0:
            raise InputError(f"the label columns {', '.join(self.columns)} hold no whole point, expected one or more")
        return {
            "mean_error": float(errors.mean()),
            "median_error": float(errors.quantile(0.5)),
            "within_2px": float((errors <= 2).double().mean()),
            "within_4px": float((errors <= 4).double().mean()),
        }

    def to_input(self, labels: Tensor, given: Tensor | None, size: Sequence[int]) -> Tensor:
        return labels if given is None else _scaled(labels, torch.tensor(list(size)) / given)

    def from_input(self, predictions: Tensor, given: Tensor | None, size: Sequence[int]) -> Tensor:
        return predictions if given is None else _scaled(predictions, given / torch.tensor(list(size)))

    def move(self, labels: Tensor, warp: Warp | None) -> Tensor:
        return labels if warp is None else warp.points(_pairs(labels)).flatten(1)


@dataclass(frozen=True)
class Gaze(Task):
    """The direction of gaze, as pitch and yaw in radians (see `directions`). A label with a nan counts nowhere.

    The head says how far the unit vector of gaze departs from the one into the camera, (0, 0, -1), so that a network
    that knows nothing yet looks into the camera and no output is near the vector of length 0, which has no direction.
    The loss grows with the angle, and with its square below `NEAR`: a few grossly wrong labels do not rule it.

    Args:
        columns: names of the pitch and of the yaw.
    """

    NEAR: ClassVar[float] = 0.05  # radians, about 3 degrees
    kind: ClassVar[str] = "gaze"
    metric: ClassVar[str] = "mean_degrees"
    spatial: ClassVar[bool] = True
    columns: tuple[str, ...] = ("pitch", "yaw")

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        if len(self.columns) != 2:
            raise InputError(
                f"gaze needs exactly two label columns, pitch and yaw in radians, found {len(self.columns)} "
                f"({', '.join(self.columns)}). Name them: --label pitch --label yaw"
            )
        if "yaw" in self.columns[0].lower() and "pitch" in self.columns[1].lower():
            raise InputError(
                f"gaze found the label columns {self.columns[0]}, {self.columns[1]}, expected pitch first, then yaw: "
                f"--label {self.columns[1]} --label {self.columns[0]}"
            )

    @classmethod
    def of(cls, source: Labelled) -> Self:
        known = _numbers(source, cls.kind).isfinite()
        task = cls(source.columns)
        if not known.all(1).any():
            raise InputError(f"the label columns {', '.join(task.columns)} hold no direction, expected one or more")
        most = source.labels[known].abs().max()
        if most > torch.pi + 1e-3:
            raise InputError(
                f"the label columns {', '.join(task.columns)} hold {float(most):g}, expected radians, at most 3.1416. "
                "Turn degrees into radians: x * pi / 180"
            )
        return task

    @property
    def outputs(self) -> int:
        return 3

    def settings(self) -> dict[str, Any]:
        return {"columns": list(self.columns)}

    def _vectors(self, outputs: Tensor) -> Tensor:
        return F.normalize(outputs.float() + outputs.new_tensor([0.0, 0.0, -1.0]), dim=1)

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        known = labels.isfinite().all(1)
        apart = self._vectors(outputs) - to_vectors(torch.where(known[:, None], labels, 0))
        # The chord of the angle, whose square has a gradient everywhere; an arc cosine has none at 0.
        huber = (1 + apart.square().sum(1) / self.NEAR**2).sqrt() - 1
        return torch.where(known, huber, 0)

    def predict(self, outputs: Tensor) -> Tensor:
        """Pitch and yaw (N, 2) in radians."""
        return to_angles(self._vectors(outputs))

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, Any]:
        """`mean_degrees`, `median_degrees` of the angle between both, and the share `within_7_degrees`."""
        errors = degrees_between(predictions, labels)
        errors = errors[errors.isfinite()]
        if len(errors) == 0:
            raise InputError(f"the label columns {', '.join(self.columns)} hold no direction, expected one or more")
        return {
            "mean_degrees": float(errors.mean()),
            "median_degrees": float(errors.quantile(0.5)),
            "within_7_degrees": float((errors <= 7).double().mean()),
        }

    def move(self, labels: Tensor, warp: Warp | None) -> Tensor:
        """Rotation and mirror turn the direction; shifted, scaled or bent, an eye looks where it looked."""
        return labels if warp is None else to_angles(warp.directions(to_vectors(labels)))


TASKS: dict[str, type[Task]] = {task.kind: task for task in (Classification, Regression, Keypoints, Gaze)}


def _pairs(flat: Tensor) -> Tensor:
    """(N, 2 K) to (N, K, 2)."""
    return flat.view(len(flat), -1, 2)


def _scaled(points: Tensor, by: Tensor) -> Tensor:
    """Points (N, 2 K) of images whose height and width are scaled `by` (N, 2)."""
    return ((_pairs(points) + 0.5) * by.flip(1)[:, None] - 0.5).flatten(1)


def _numbers(source: Labelled, kind: str) -> Tensor:
    if source.classes:
        raise InputError(
            f"the task {kind} needs number columns, found class labels ({', '.join(source.classes[:5])}). "
            "Name the columns: --label x --label y (in Python label=['x', 'y'])"
        )
    return source.labels
