"""Ensemble: several models of one task, used as one model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from ..tasks import Classification, Segmentation, Task
from .model import Model


class _Concatenated(nn.Module):
    """The concatenated features of several models, (N, F1 + F2 + ...); maps are enlarged to the finest of them."""

    def __init__(self, members: Sequence[Model]) -> None:
        super().__init__()
        self.members = nn.ModuleList(member.features for member in members)

    def forward(self, x: Tensor) -> Tensor:
        parts = [features(x) for features in self.members]
        finest = max((part.shape[2:] for part in parts), key=math.prod)
        return torch.cat([part if part.shape[2:] == finest else _enlarged(part, finest) for part in parts], 1)


def _enlarged(maps: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)


class _Mixture(nn.Module):
    """Raw outputs of an ensemble from concatenated features. Each part goes through the head of its own model."""

    def __init__(self, members: Sequence[Model], weights: Tensor | None) -> None:
        super().__init__()
        self.members = nn.ModuleList(member.head for member in members)
        self.widths, self.task = [member.width for member in members], members[0].task
        self.weights: Tensor | None
        self.register_buffer("weights", weights)

    def forward(self, features: Tensor) -> Tensor:
        parts = features.split(self.widths, 1)
        stacked = torch.stack([head(part).float() for head, part in zip(self.members, parts, strict=True)])
        return mix(stacked, self.task, self.weights)


def mix(outputs: Tensor, task: Task, weights: Tensor | None = None) -> Tensor:
    """Raw outputs (N, O) of an ensemble from the raw outputs of its members (M, N, O); of maps (M, N, C, h, w).

    Args:
        outputs: raw outputs of the members.
        task: classes and masks mix probabilities; all other tasks mix raw outputs.
        weights: one per member, of any sign. None: the mean of probabilities, or the median of values. The median is
            robust to one member with a large error.
    """
    classes = isinstance(task, Classification | Segmentation)
    values = outputs.softmax(2) if classes else outputs
    if weights is not None:
        mixed = torch.einsum("m,m...->...", weights.to(values), values)
    else:
        mixed = values.mean(0) if classes else _median(values)
    return mixed.clamp(min=1e-12).log() if classes else mixed


def _median(values: Tensor) -> Tensor:
    """The lower median of values (M, ...) over the members. ONNX has no operator for it, but sorts."""
    return values.sort(0).values[(len(values) - 1) // 2]


class Ensemble(Model):
    """Several models of one task, used as one model. It predicts, embeds, evaluates, saves and loads like any model.

    Its features are the concatenated features of all members. Its head mixes the outputs of their heads (`mix`).

    Args:
        members: models with the same task, input shape and conversion on load.
        weights: one per member, see `mix`. None: an unweighted ensemble.

    Raises:
        InputError: there is no member, a member has a feature map, members differ in task, shape or conversion, or
            there is not one weight per member.
    """

    def __init__(self, members: Sequence[Model], weights: Tensor | None = None) -> None:
        nn.Module.__init__(self)
        if not members:
            raise InputError("the ensemble has no member, expected one or more models")
        if weights is not None and len(weights) != len(members):
            raise InputError(f"the ensemble has {len(members)} members but {len(weights)} weights, expected one each")
        first = members[0]
        if any(member.has_sets for member in members):
            raise InputError(
                "a member of the ensemble has sets of boxes, whose order means nothing, so they have no mean. Expected "
                "networks without a head of their own"
            )
        if any(member.map is not None for member in members):
            raise InputError(
                "a member of the ensemble has a feature map, which an ensemble does not support, expected models "
                "without a feature map. Remove such models"
            )
        for member in members[1:]:
            for what, ours in first.facts().items():
                theirs = member.facts()[what]
                if ours != theirs:
                    raise InputError(
                        f"members of an ensemble differ in {what}: found {ours} and {theirs}, expected the same. Train "
                        "them on one source, with the same --size and --channels"
                    )
        self.task, self.shape, self.layout = first.task, first.shape, first.layout
        self.conversion, self.given_columns, self.map = first.conversion, first.given_columns, None
        self.features: nn.Sequential = nn.Sequential(_Concatenated(members))
        self.head = nn.Sequential(_Mixture(members, None if weights is None else weights.detach().float().cpu()))
        self.width = sum(member.width for member in members)
        self.description = {
            "shape": list(first.shape),
            "members": [{k: v for k, v in member.description.items() if k != "shape"} for member in members],
            "weighted": weights is not None,
        }
