"""Checks of labels: what kind they are, and whether they fit the images, the class names and the columns."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from .labels import IGNORED, Boxes, Labels, Masks

Names = tuple[str, ...]


def named(labels: Labels, classes: Names, columns: Names, shape: tuple[int, ...]) -> tuple[Names, Names]:
    """The names of classes and of columns of labels. Numbers are their names if none are given.

    Args:
        labels: of N samples of `shape`.
        classes, columns: as in `Labelled`.

    Raises:
        InputError: the labels fit neither the names nor the samples.
    """
    if isinstance(labels, Masks | Boxes):
        _check_dense(labels, classes, shape)
        return classes, columns
    if labels.dtype == torch.int64:
        return _named_classes(labels, classes), columns
    if labels.is_floating_point():
        return classes, _named_values(labels, columns)
    raise InputError(
        f"labels of {labels.dtype}, expected int64 classes or float32 or float64 values. Convert them: labels.long()"
    )


def _named_classes(labels: Tensor, classes: Names) -> Names:
    if labels.ndim != 1:
        raise InputError(f"class labels of shape {tuple(labels.shape)}, expected (N,)")
    least, most = int(labels.min()), int(labels.max())
    classes = classes or tuple(str(i) for i in range(most + 1))
    if least < 0 or most >= len(classes):
        raise InputError(
            f"class labels from {least} to {most}, expected 0 to {len(classes) - 1}, because there are "
            f"{len(classes)} class names"
        )
    return classes


def _named_values(labels: Tensor, columns: Names) -> Names:
    if labels.ndim != 2:
        raise InputError(f"value labels of shape {tuple(labels.shape)}, expected (N, K)")
    columns = columns or tuple(f"label_{i}" for i in range(labels.shape[1]))
    if len(columns) != labels.shape[1]:
        raise InputError(f"{labels.shape[1]} label columns but {len(columns)} column names")
    return columns


def _check_dense(labels: Masks | Boxes, classes: Names, shape: tuple[int, ...]) -> None:
    kind = "masks" if isinstance(labels, Masks) else "boxes"
    if len(shape) != 3:
        raise InputError(f"{kind} for features of shape {shape}, expected images (N, C, H, W)")
    if not classes:
        raise InputError(f"{kind} without class names, expected `classes`: the names of the indices from 0")
    if isinstance(labels, Masks) and labels.size != shape[1:]:
        found, of = ("x".join(map(str, size)) for size in (labels.size, shape[1:]))
        raise InputError(f"masks of {found} for images of {of}, expected the same size")
    if isinstance(labels, Masks) and not isinstance(labels.index, Tensor):
        return  # masks that are decoded on access are checked where they are decoded
    present = labels.tensor[labels.tensor != IGNORED] if isinstance(labels, Masks) else labels.classes
    if present.numel() and not 0 <= int(present.min()) <= int(present.max()) < len(classes):
        ignoring = f"; {IGNORED} is a pixel that counts nowhere" if kind == "masks" else ""
        raise InputError(
            f"{kind} with the classes {int(present.min())} to {int(present.max())}, expected 0 to {len(classes) - 1}, "
            f"because there are {len(classes)} class names{ignoring}"
        )
