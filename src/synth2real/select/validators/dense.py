"""What a model predicts for a dense task, in the form in which candidates are compared: small maps, or boxes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...data.domains import Inputs, to_float
from ...data.labels import Boxes
from ...tasks import Detection
from ...training.given import append, move_given, split
from ...training.model import Model
from ...transforms.warp import Warp
from .maps import BATCH, compact_maps

# Moves; larger than the warps of randomization, and without a turn: the box around a turned box is too large.
FAR: dict[str, Any] = {"shift": 0.16, "scale": 0.15}


def compact(model: Model, inputs: Inputs) -> Any:
    """Maps of probabilities (`maps.compact_maps`), or boxes (`found_boxes`), for inputs of `Model.inputs_of`."""
    return found_boxes(model, inputs) if isinstance(model.task, Detection) else compact_maps(model, inputs)


def found_boxes(model: Model, inputs: Inputs) -> Boxes:
    """The boxes of a model for inputs of `Model.inputs_of`, on the CPU, in pixels of these inputs."""
    parts = [model.task.predict(model.outputs(inputs[part])) for part in torch.arange(len(inputs)).split(BATCH)]
    found: Boxes = parts[0].joined(*parts[1:])
    return found


def moved_boxes(model: Model, inputs: Inputs, original: Boxes) -> tuple[Boxes, Boxes]:
    """Boxes that are expected for moved images, and those predicted for them.

    The images are shifted and scaled. Boxes whose centre comes from outside of the image are left out of both.

    Args:
        model: trained.
        inputs: target images as the model takes them.
        original: the boxes predicted for them.
    """
    size, predicted = (inputs.shape[2], inputs.shape[3]), []
    whole = Warp.sample(len(inputs), size, generator=torch.Generator().manual_seed(0), **FAR)
    for part in torch.arange(len(inputs)).split(BATCH):
        x, given = split(to_float(inputs[part]), len(model.given_columns))
        warp = whole.subset(part)
        turned = None if given is None else move_given(given, model.given_columns, warp)
        predicted.append(found_boxes(model, append(warp.image(x), turned)))
    expected, again = original.warped(whole), predicted[0].joined(*predicted[1:])
    return expected.kept(_inside(expected, whole)), again.kept(_inside(again, whole))


def _inside(boxes: Boxes, warp: Warp) -> Tensor:
    """Whether the centre of each box of warped images was inside of the original image, (M,) bool."""
    height, width = warp.size
    centre = (boxes.corners[:, :2] + boxes.corners[:, 2:]) / 2 - 0.5
    before = warp.subset(boxes.image).inverse_points(centre[:, None])[:, 0] + 0.5
    inside: Tensor = ((before >= 0) & (before <= before.new_tensor([width, height]))).all(1)
    return inside
