"""Gaze: the viewing direction of an eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Labelled
from ..data.fitting import Fitting
from ..errors import InputError
from ..transforms.warp import Warp
from .base import Task, check_different, number_labels
from .directions import degrees_between, to_angles, to_vectors


@dataclass(frozen=True)
class Gaze(Task):
    """Gaze direction as pitch and yaw in radians (see `directions`). Loss and metrics ignore a label with a nan.

    The head predicts an offset from the unit vector into the camera, (0, 0, -1). An untrained network therefore
    predicts a gaze into the camera, and stays away from the zero vector, which has no direction. The loss is
    quadratic in the angle below `NEAR` and linear above, so a few very wrong labels do not dominate it.

    Args:
        columns: names of the pitch column and the yaw column.
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
        check_different(self.columns)
        if "yaw" in self.columns[0].lower() and "pitch" in self.columns[1].lower():
            raise InputError(
                f"gaze found the label columns {self.columns[0]}, {self.columns[1]}, expected pitch first, then yaw: "
                f"--label {self.columns[1]} --label {self.columns[0]}"
            )

    @classmethod
    def of(cls, source: Labelled) -> Self:
        known = number_labels(source, cls.kind).isfinite()
        task = cls(source.columns)
        if not known.all(1).any():
            raise InputError(
                f"the label columns {', '.join(task.columns)} hold no direction (pitch and yaw), expected one or more"
            )
        task.check_labels(source.labels)
        return task

    def check_labels(self, labels: Tensor) -> None:
        most = float(labels[labels.isfinite()].abs().max())
        if most > torch.pi + 1e-3:
            raise InputError(
                f"the label columns {', '.join(self.columns)} hold {most:g}, expected radians, at most 3.1416. "
                "Convert degrees to radians: x * pi / 180"
            )

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
        # The squared chord has a gradient at every angle. An arc cosine has none at 0.
        huber = (1 + apart.square().sum(1) / self.NEAR**2).sqrt() - 1
        return torch.where(known, huber, 0)

    def coordinates(self, outputs: Tensor) -> Tensor:
        """Pitch and yaw (N, 2) in radians."""
        return to_angles(self._vectors(outputs))

    def from_coordinates(self, coordinates: Tensor) -> Tensor:
        return to_vectors(coordinates) - coordinates.new_tensor([0.0, 0.0, -1.0])

    def residuals(self, coordinates: Tensor, labels: Tensor) -> Tensor:
        return (labels - coordinates + torch.pi) % (2 * torch.pi) - torch.pi  # the shorter way round

    def distances(self, coordinates: Tensor, labels: Tensor) -> Tensor:
        """Angles (N,) in degrees."""
        return degrees_between(coordinates, labels)

    def predict(self, outputs: Tensor) -> Tensor:
        """Pitch and yaw (N, 2) in radians."""
        return to_angles(self._vectors(outputs))

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, Any]:
        """`mean_degrees` and `median_degrees` of the angular error, and the share `within_7_degrees`."""
        errors = degrees_between(predictions, labels)
        errors = errors[errors.isfinite()]
        if len(errors) == 0:
            raise InputError(
                f"the label columns {', '.join(self.columns)} hold no direction (pitch and yaw), expected one or more"
            )
        return {
            "mean_degrees": float(errors.mean()),
            "median_degrees": float(errors.quantile(0.5)),
            "within_7_degrees": float((errors <= 7).double().mean()),
        }

    def to_input(self, labels: Tensor, fitting: Fitting | None) -> Tensor:
        return labels.float()

    def move(self, labels: Tensor, warp: Warp | None) -> Tensor:
        """Apply rotation and mirroring to the gaze. Shift, scale and elastic deformation do not change it."""
        return labels if warp is None else to_angles(warp.directions(to_vectors(labels)))
