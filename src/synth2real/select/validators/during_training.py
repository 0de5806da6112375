"""Live score: one label-free number that shows the progress of a training, cheap enough to compute now and then."""

from __future__ import annotations

from torch import Tensor

from ...tasks import Classification
from ...training.model import Model
from .dense import compact
from .moves import move


def live_score(model: Model, some: Tensor) -> tuple[str, float] | None:
    """Name and value of the score of a model during training; None if no score is defined.

    Classes: `confidence`, the mean of the highest probabilities; higher is better. Masks, boxes, values, points and
    gaze: `inconsistency`, the distance between the prediction for a transformed image and the prediction expected after
    that transform. Its unit is the distance between the predictions for different images (see
    `validators.augmentation_consistency`). Lower is better; 1 means that the model ignores the image. Values of
    features: None, because no transform is known that keeps the value.

    Both scores show the progress of a training, not the accuracy. A model may be confident or consistent, and wrong.

    Args:
        model: keeps its mode, training or evaluation.
        some: target inputs as the model takes them (see `Model.inputs_of`), about 100 of them.
    """
    training = model.training
    outputs = compact(model, some) if model.task.dense else model.outputs(some)
    found = None
    if isinstance(model.task, Classification):
        found = "confidence", float(model.task.predict(outputs).amax(1).mean())
    elif some.ndim == 4:
        moved = move(model, some, outputs)
        assert moved is not None  # images can be moved
        found = "inconsistency", moved.inconsistency(model.task)
    model.train(training)
    return found
