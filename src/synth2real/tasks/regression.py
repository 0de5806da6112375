"""Regression: one or more numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Labelled
from ..errors import InputError
from .base import Task, check_different, number_labels


@dataclass(frozen=True)
class Regression(Task):
    """Regression of one or more numbers. Loss and metrics ignore labels that are nan.

    The loss is the Huber loss on standardised values.

    Args:
        columns: names of the K values.
        mean, std: K floats each, mean and standard deviation of the source labels. The head predicts values that are
            standardised with them.
    """

    kind: ClassVar[str] = "regress"
    spatial: ClassVar[bool] = True
    columns: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("columns", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_different(self.columns)

    @classmethod
    def of(cls, source: Labelled) -> Self:
        labels = number_labels(source, cls.kind).double()
        known = labels.isfinite()
        if not known.any(0).all():
            empty = source.columns[int((~known.any(0)).nonzero()[0])]
            raise InputError(f"the label column '{empty}' holds no number, expected at least two different numbers")
        mean = labels.nanmean(0)
        std = (labels - mean).square().nanmean(0).sqrt()
        same = ((labels == labels.nan_to_num(-torch.inf).amax(0)) | ~known).all(0)
        if same.any():
            constant = int(same.nonzero()[0])
            raise InputError(
                f"the label column '{source.columns[constant]}' is {float(mean[constant]):g} everywhere, "
                "expected numbers that differ. A model cannot learn from a constant label"
            )
        return cls(source.columns, tuple(mean.tolist()), tuple(std.tolist()))

    @property
    def outputs(self) -> int:
        return len(self.columns)

    def settings(self) -> dict[str, Any]:
        return {"columns": list(self.columns), "mean": list(self.mean), "std": list(self.std)}

    def losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        target = self.standardised(labels)
        known = target.isfinite()
        each = F.smooth_l1_loss(outputs, torch.where(known, target, outputs.detach()), reduction="none", beta=0.1)
        return each.sum(1) / known.sum(1).clamp(min=1)

    def standardised(self, labels: Tensor) -> Tensor:
        """Labels (N, K) in units of the source's spread around its mean, float32."""
        wide = labels.to(_widest(labels.device))
        return ((wide - wide.new_tensor(self.mean)) / wide.new_tensor(self.std)).float()

    def residuals(self, coordinates: Tensor, labels: Tensor) -> Tensor:
        return self.standardised(labels) - coordinates

    def predict(self, outputs: Tensor) -> Tensor:
        """Values (N, K) float64 in the units of the labels."""
        wide = outputs.to(_widest(outputs.device))
        return wide * wide.new_tensor(self.std) + wide.new_tensor(self.mean)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, Any]:
        """`mean_error` and `median_error` of the absolute error, averaged over the columns of each sample.

        `columns` holds both for each column. They are None for a column without a number.
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


def _widest(device: torch.device) -> torch.dtype:
    """The dtype of values in their own units: time stamps of 1.7e9 s are all alike in float32. MPS has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64
