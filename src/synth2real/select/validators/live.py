"""Live: one label-free figure of a model while it is trained, cheap enough to be looked at now and then."""

from __future__ import annotations

from torch import Tensor

from ...tasks import Classification
from ...training.model import Model
from .candidate import inconsistency


def live(model: Model, some: Tensor) -> tuple[str, float] | None:
    """What is shown of a model, by name and value; None where there is nothing to be said.

    Classes: `confidence`, the mean of the highest probabilities; higher is better. Values, points and gaze of images:
    `inconsistency`, how far what is said of a moved image is from what should be said of it, in units of the distance
    between different images' predictions (see `validators.augmentation_consistency`); lower is better, and 1 says that it does not
    look at the image at all. Values of features: None, as there is no move that leaves them what they are.

    Both say how a training fares, not how well: a model may be sure, or steady, and wrong.

    Args:
        model: is put back in the mode, training or not, that it was in.
        some: target inputs, some 100 of them.
    """
    training = model.training
    outputs = model.outputs(some)
    found = None
    if isinstance(model.task, Classification):
        found = "confidence", float(model.task.predict(outputs).amax(1).mean())
    elif some.ndim == 4:
        found = "inconsistency", inconsistency(model, some, outputs)
    model.train(training)
    return found
