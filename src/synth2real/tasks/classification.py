"""Classification: one class per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Labelled
from ..errors import InputError
from ..transforms.mix import Mix, Mosaic
from .base import Task

SHOWN_WHOLE = 20  # classes; the confusion matrix of more is too large to read
MOST_CONFUSED = 10  # errors that are listed


@dataclass(frozen=True)
class Classification(Task):
    """Classification with one class per sample. The loss is cross entropy.

    Args:
        classes: class names, at least two.
    """

    kind: ClassVar[str] = "classify"
    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    named: ClassVar[bool] = True
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        if len(self.classes) < 2:
            raise InputError(
                f"the source holds one class only ({', '.join(self.classes)}), expected two or more classes. "
                "Check the label column or the class subfolders"
            )

    @classmethod
    def of(cls, source: Labelled) -> Self:
        if not source.classes:
            raise InputError(
                f"classification needs class labels, found the number columns {', '.join(source.columns)}. "
                "Load one column as classes: load(path, label='NAME'). For a simulator with number labels, use "
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
        """Class shares (N, C) float32. `labels` are in one of the two forms that `losses` accepts."""
        return labels if labels.is_floating_point() else F.one_hot(labels, self.outputs).float()

    def mix(self, labels: Tensor, mix: Mix | Mosaic) -> Tensor:
        return mix.labels(self.shares(labels))

    def predict(self, outputs: Tensor) -> Tensor:
        """Class probabilities (N, C)."""
        return outputs.float().softmax(1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, Any]:
        """`accuracy` in 0..1, from probabilities (N, C)."""
        return {"accuracy": float((predictions.argmax(1) == labels).double().mean())}

    def details(self, predictions: Tensor, labels: Tensor, sizes: Tensor | None) -> dict[str, Any]:
        """`per_class`, `confusion` and `most_confused`.

        `per_class` holds for each class its `precision` and `recall` in 0..1, nan without a sample, and the `count` of
        its samples. `confusion` is the matrix of counts, one row for each true class and one column for each predicted
        class; None for more than 20 classes. `most_confused` lists the most frequent errors.
        """
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

        guesses, index = predictions.argmax(1), list(range(self.outputs))
        precision, recall, _, counts = precision_recall_fscore_support(
            labels, guesses, labels=index, zero_division=float("nan")
        )
        matrix = confusion_matrix(labels, guesses, labels=index)
        rows = zip(self.classes, precision.tolist(), recall.tolist(), counts.tolist(), strict=True)
        errors = [(int(matrix[i, j]), i, j) for i, j in zip(*matrix.nonzero(), strict=True) if i != j]
        return {
            "per_class": {name: {"precision": p, "recall": r, "count": n} for name, p, r, n in rows},
            "confusion": matrix.tolist() if self.outputs <= SHOWN_WHOLE else None,
            "most_confused": [
                {"true": self.classes[i], "predicted": self.classes[j], "count": count}
                for count, i, j in sorted(errors, key=lambda one: (-one[0], one[1:]))[:MOST_CONFUSED]
            ],
        }

    def align(self, evaluated: Labelled) -> Tensor:
        """Labels of another data set as indices into the classes of this task, (N,) int64.

        Raises:
            InputError: the data set has no class labels, or a class that is not in this task.
        """
        if not evaluated.classes:
            raise InputError(f"expected class labels to evaluate on, found columns {', '.join(evaluated.columns)}")
        return aligned_classes(evaluated.classes, self.classes)[evaluated.labels]


def aligned_classes(found: Sequence[str], known: Sequence[str]) -> Tensor:
    """Index of each class of a data set among the classes of a model, (C,) int64.

    Raises:
        InputError: a class is not among those of the model.
    """
    unknown = [name for name in found if name not in known]
    if unknown:
        indices = unknown[0].isdecimal() and not any(name.isdecimal() for name in known)
        raise InputError(
            f"the evaluated data holds the class '{unknown[0]}', which is not among the classes of the model, "
            f"expected only {', '.join(known)}. "
            + (
                "If it is an index of them: Labelled.of(X, y, classes=model.task.classes)"
                if indices
                else "Remove those images, or train with that class"
            )
        )
    return torch.tensor([known.index(name) for name in found])
