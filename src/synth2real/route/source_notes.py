"""Whether a trained model fits the source, as it was randomized in the training."""

from __future__ import annotations

import torch

from ..adapt import Objective
from ..adapt.shared.source_fit import SourceFit
from ..training.loop import Trainer

BATCHES = 4  # batches of the source on which the model is checked


@torch.no_grad()
def source_notes(trainer: Trainer) -> list[str]:
    """What the user must know after a training: nothing, or that the source was not learnt."""
    objective = trainer.algorithm
    assert isinstance(objective, Objective)
    model, fit = objective.source_model().eval(), SourceFit(objective.task, momentum=1.0)
    for ahead in range(BATCHES):
        source, _ = trainer.batches(ahead)
        fit.observe(model(source.x).cpu(), source.y.to("cpu"))
    if fit.learnt():
        return []
    where, mend = "source", "train longer"
    if trainer.loop.randomize is not None:
        where, mend = "randomized source", "use a weaker randomization, or train longer"
    return [f"the source was not learnt: on batches of the {where}, {fit.text()}. To mend it, {mend}"]
