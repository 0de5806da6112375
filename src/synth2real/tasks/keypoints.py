"""Keypoints: points in the image, in pixels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Labelled
from ..data.fitting import Fitting
from ..errors import InputError
from ..transforms.sampling import constant
from ..transforms.warp import Warp
from .base import Task, check_different, number_labels


@dataclass(frozen=True)
class Keypoints(Task):
    """Points in the image, in pixels. Loss and metrics ignore points that are nan.

    The loss is the Huber loss on coordinates scaled by the image size.

    Args:
        columns: 2 K names, an x and a y for each point.
        size: height and width in pixels of the images that the model takes.
    """

    kind: ClassVar[str] = "keypoints"
    spatial: ClassVar[bool] = True
    columns: tuple[str, ...]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "size", tuple(self.size))
        check_different(self.columns)
        if len(self.columns) % 2:
            raise InputError(
                f"keypoints need an x and a y column for each point, found {len(self.columns)} "
                f"({', '.join(self.columns)}). Give them in pairs: --label iris_x --label iris_y"
            )

    @classmethod
    def of(cls, source: Labelled) -> Self:
        labels = number_labels(source, cls.kind)
        if len(source.shape) != 3:
            raise InputError(f"keypoints need images, found features of shape {source.shape}")
        task = cls(source.columns, (source.shape[1], source.shape[2]))
        corner = int((_pairs(labels) == 0).all(-1).sum())
        if corner:
            warnings.warn(
                f"{corner} of {_pairs(labels).shape[:2].numel()} points are exactly at 0, 0, the corner of the image. "
                "If that means an unknown point, leave its cells empty",
                stacklevel=2,
            )
        out = 0 if source.fitting is None else source.fitting.outside(_pairs(labels))
        if out and source.resize == "crop":
            warnings.warn(
                f"{out} of {_pairs(labels).shape[:2].numel()} points lie in the margins that crop cuts off, so the "
                "model cannot see them. To keep the whole images: --resize letterbox",
                stacklevel=2,
            )
        return task

    @property
    def outputs(self) -> int:
        return len(self.columns)

    def settings(self) -> dict[str, Any]:
        return {"columns": list(self.columns), "size": list(self.size)}

    def _half(self, like: Tensor) -> Tensor:
        """Half of width and height in pixels, (2,): the unit of the outputs, which are 0 at the image centre."""
        return constant((self.size[1] / 2, self.size[0] / 2), like.device).to(like.dtype)

    def _scaled_labels(self, labels: Tensor, like: Tensor) -> Tensor:
        """Points (N, 2 K) in pixels as outputs."""
        return ((_pairs(labels) + 0.5) / self._half(like) - 1).flatten(1)

    def residuals(self, coordinates: Tensor, labels: Tensor) -> Tensor:
        return self._scaled_labels(labels, coordinates) - coordinates

    def distances(self, coordinates: Tensor, labels: Tensor) -> Tensor:
        """Mean distance of the points of each sample (N,), in pixels."""
        apart: Tensor = (_pairs(self.residuals(coordinates, labels)) * self._half(coordinates)).norm(dim=-1)
        return apart.mean(1)

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        target = self._scaled_labels(labels, outputs)
        known = target.isfinite()
        each = F.smooth_l1_loss(outputs, torch.where(known, target, outputs.detach()), reduction="none", beta=0.02)
        return each.sum(1) / known.sum(1).clamp(min=1)

    def predict(self, outputs: Tensor) -> Tensor:
        """Coordinates (N, 2 K) in pixels of the model's input image."""
        return ((_pairs(outputs.float()) + 1) * self._half(outputs) - 0.5).flatten(1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, Any]:
        """`mean_error` and `median_error` per point in pixels, and the shares `within_2px` and `within_4px`."""
        errors = _pairs(predictions - labels).norm(dim=-1).flatten()
        errors = errors[errors.isfinite()]
        if len(errors) == 0:
            raise InputError(
                f"the label columns {', '.join(self.columns)} hold no complete point (x and y), expected one or more"
            )
        return {
            "mean_error": float(errors.mean()),
            "median_error": float(errors.quantile(0.5)),
            "within_2px": float((errors <= 2).double().mean()),
            "within_4px": float((errors <= 4).double().mean()),
        }

    def details(self, predictions: Tensor, labels: Tensor, sizes: Tensor | None) -> dict[str, Any]:
        """`mean_error_percent` and `median_error_percent` per point, in percent of the diagonal of its image."""
        if sizes is None:
            return {}
        errors = 100 * _pairs(predictions - labels).norm(dim=-1) / sizes.float().norm(dim=1, keepdim=True)
        errors = errors[errors.isfinite()]
        return {
            "mean_error_percent": float(errors.mean()),
            "median_error_percent": float(errors.quantile(0.5)),
        }

    def to_input(self, labels: Tensor, fitting: Fitting | None) -> Tensor:
        return (labels if fitting is None else fitting.to_input(_pairs(labels)).flatten(1)).float()

    def from_input(self, predictions: Tensor, fitting: Fitting | None) -> Tensor:
        return predictions if fitting is None else fitting.from_input(_pairs(predictions)).flatten(1)

    def move(self, labels: Tensor, warp: Warp | None) -> Tensor:
        return labels if warp is None else warp.points(_pairs(labels)).flatten(1)


def _pairs(flat: Tensor) -> Tensor:
    """Reshape (N, 2 K) to (N, K, 2)."""
    pairs: Tensor = flat.unflatten(1, (-1, 2))
    return pairs
