"""Moves: transforms of target samples with a known effect on the label, and a model's predictions before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ...data.domains import Inputs, to_float
from ...data.sparse import Sparse
from ...tasks import Detection, Gaze, Keypoints, Task
from ...tasks.prediction_distance import apart, most_probable
from ...training.given import WithGiven, append, move_given, split
from ...training.model import Model
from ...transforms.warp import Warp
from .dense import moved_boxes
from .maps import moved_masks

SHIFTS: dict[str, Any] = {"shift": 0.08}  # fraction of the image; keeps a class or a value
# Larger than the warps of any randomization here: a model is most regular where it was trained.
FAR_SHIFTS: dict[str, Any] = {"shift": 0.16}
TURNS: dict[str, Any] = {"rotation": 25.0}  # degrees; a shift does not change a direction
STRUCK = 0.7  # share of the words that are removed from a text


@dataclass(frozen=True)
class Moved:
    """Predictions for moved target samples.

    Points are in pixels of the model's input.

    Args:
        original: predictions for the samples as they are: probabilities (N, C), values (N, K), masks (N, h, w) uint8 of
            `maps.compact_size`, or `Boxes`.
        expected: `original`, changed as the move changes a label, of the same shape. In masks, what was outside of the
            image is ignored; boxes from there are left out.
        predictions: for the moved samples, of the same shape.
    """

    original: Any
    expected: Any
    predictions: Any

    def correlation(self) -> float:
        """Correlation in -1..1 of the change of the predictions with the change that the moves make; 0 if none change.

        It is pooled over the coordinates.
        """
        before, after, moved = (x.double().nan_to_num(0) for x in (self.original, self.predictions, self.expected))
        found, known = (change - change.mean(0) for change in (after - before, moved - before))
        scale = (found.square().sum() * known.square().sum()).sqrt()
        return float((found * known).sum() / scale) if scale > 0 else 0.0

    def inconsistency(self, task: Task) -> float:
        """Mean distance between predictions and expected predictions, over that between different samples.

        It is 1 if the predictions do not depend on the sample: then nothing is known about their consistency.
        """
        others = float(apart(task, self.original, self.original[torch.arange(len(self.original)).roll(1)]).nanmean())
        return float(apart(task, self.predictions, self.expected).nanmean()) / others if others > 0 else 1.0


def moves_label(task: Task) -> bool:
    """Whether a move of the image changes the label in a known way: for points, gaze, masks and boxes."""
    return isinstance(task, Keypoints | Gaze) or task.dense


def move(model: Model, inputs: Inputs, outputs: Any) -> Moved | None:
    """Predict moved target samples; None for dense features, for which no move is known that keeps the label.

    Images are shifted; for gaze they are rotated, for masks both; for boxes they are also scaled. Sparse features are
    mostly words; seven tenths of them are removed.

    Args:
        model: trained.
        inputs: target samples (N, ...) as the model takes them (see `Model.inputs_of`), at most about 1,000. Given
            directions turn with the image.
        outputs: raw outputs (N, O) of the model for them; of a dense task `dense.compact`.
    """
    if isinstance(model.task, Detection):
        return Moved(outputs, *moved_boxes(model, inputs, outputs))
    if model.task.dense:
        masks = most_probable(outputs)
        return Moved(masks, *moved_masks(model, inputs, masks))
    task, original = model.task, model.task.predict(outputs)
    every, generator = to_float(inputs[torch.arange(len(inputs))]), torch.Generator().manual_seed(0)
    x, given = split(every, len(model.given_columns))
    if x.ndim == 4:
        ranges = TURNS if isinstance(task, Gaze) else FAR_SHIFTS if isinstance(task, Keypoints) else SHIFTS
        warp = Warp.sample(len(x), (x.shape[2], x.shape[3]), generator=generator, **ranges)
        turned = None if given is None else move_given(given, model.given_columns, warp)
        moved = append(warp.image(x), turned)
        return Moved(original, task.move(original, warp), task.predict(model.outputs(moved)))
    if isinstance(inputs.inputs if isinstance(inputs, WithGiven) else inputs, Sparse):
        kept = torch.rand(x.shape, generator=generator) >= STRUCK
        return Moved(original, original, task.predict(model.outputs(append(x * kept, given))))
    return None
