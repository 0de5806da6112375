"""The head of a model that a few real labels have corrected: the trained head and a linear correction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..data.domains import Inputs, Unlabelled
from ..errors import InputError
from ..tasks import Task
from .featured import ProjectedPixels

if TYPE_CHECKING:
    from .model import Model

CORRECTIONS = "corrections"  # in the description of a model: the corrections of its head, the first one innermost


class CorrectedHead(nn.Module):
    """A trained head, whose output gets a linear correction for the group of the samples, or one for all groups.

    The correction is added to the coordinates of the prediction (`Task.coordinates`), such as angles or logits. It is
    an offset, plus a linear map of these coordinates, plus a linear map of the features.

    Args:
        head: from features to raw outputs. It takes the first `taken` features.
        task: whose outputs these are.
        taken, width: number of features of the head, and of all (N, F) that the correction takes.
        groups: names of the groups that have a correction of their own.
    """

    def __init__(self, head: nn.Module, task: Task, taken: int, width: int, groups: Sequence[str]) -> None:
        super().__init__()
        self.head, self.task, self.taken, self.groups = head, task, taken, tuple(groups)
        self.group = 0  # index of the correction in use; 0 is the common one
        self._numbers = {name: i for i, name in enumerate(groups, start=1)}
        outputs = task.coordinates(torch.zeros(1, task.outputs)).shape[1]
        self.offset: Tensor
        self.affine: Tensor
        self.layer: Tensor
        for name, rows in (("offset", 1), ("affine", outputs), ("layer", width)):
            self.register_buffer(name, torch.zeros(1 + len(groups), rows, outputs))

    def forward(self, features: Tensor) -> Tensor:
        found = self.task.coordinates(self.head(features[:, : self.taken]).float())
        i = self.group
        added = self.offset[i] + found @ self.affine[i] + features.float() @ self.layer[i]
        return self.task.from_coordinates(found + added)

    def number_of(self, group: str) -> int:
        """The index of the correction of a group; 0, the common one, if it has none of its own."""
        return self._numbers.get(group, 0)


def put_on(model: Model, description: dict[str, Any]) -> CorrectedHead:
    """Put a correction, which is zero at first, on the head of a model.

    Args:
        description: with the names of the `groups`, and the number of `pixels` components that the correction takes;
            kept with the model. Components that the model lacks are appended, and are zero at first.
    """
    taken = model.width
    if description.get("pixels") and model.may_append_pixels:
        model.append_pixels(ProjectedPixels(model.normalised_shape, description["pixels"]))
    corrected = CorrectedHead(model.head, model.task, taken, model.width, description["groups"])
    model.head = nn.Sequential(corrected.to(next(model.parameters()).device))
    model.description = {
        **model.description,
        CORRECTIONS: [*model.description.get(CORRECTIONS, []), description],
    }
    return corrected


def correction_of(model: Model) -> CorrectedHead | None:
    """The outermost correction of a model; None if it has none."""
    first = next(model.head.children(), None)
    return first if isinstance(first, CorrectedHead) else None


def outputs_by_group(model: Model, inputs: Inputs, groups: Sequence[str]) -> Tensor:
    """Raw outputs (N, outputs) of a model, each sample corrected for its group; the common correction for others.

    Args:
        groups: N names.

    Raises:
        InputError: there is not one group for each sample, or the model has no corrections by group.
    """
    corrected = correction_of(model)
    if corrected is None or not corrected.groups:
        raise InputError("groups were given, but the model has no correction by group. Leave the groups out")
    if len(groups) != len(inputs):
        raise InputError(f"{len(inputs)} inputs but {len(groups)} groups, expected the same number of each")
    index = torch.tensor([corrected.number_of(name) for name in groups])
    outputs = torch.zeros(len(inputs), model.task.outputs)
    try:
        for group in index.unique().tolist():
            rows = (index == group).nonzero()[:, 0]
            corrected.group = group
            outputs[rows] = model.outputs(Unlabelled(inputs).subset(rows).inputs)
    finally:
        corrected.group = 0
    return outputs
