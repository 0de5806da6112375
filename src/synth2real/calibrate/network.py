"""What images are compared by where it is no pixels: the features of a network, learnt on the simulator or of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..simulate import Simulator
from ..tasks import Classification, Regression
from ..training.loop import Algorithm, Loop, Progress, SourceBatch, TargetBatch, Trainer, Update
from ..training.model import Model, load_model
from .ranges import Space
from .statistics import describe

LEARNT = "learnt"
FAR = 2.5  # how much wider than its own each range is while the network is learnt
PASSES, BATCH = 5, 64  # over the rendered images
RATE = 1e-3

Look = Callable[[Tensor], Tensor]


class _Labels(Algorithm):
    """A model learns the labels of rendered images."""

    def __init__(self, model: Model) -> None:
        self.model, self.networks = model, {"model": model}

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        yield Update(of=(self.model,), label=(1.0, self.model.task.loss(self.model(source.x), source.y)))

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(network.parameters(), RATE)


def look_by(features: str | None, space: Space, simulator: Simulator, learn: int, seed: int) -> Look:
    """What makes of images (N, C, H, W) the numbers (N, F) float32 that two samples of them are compared by.

    Args:
        features: None for pixels and their local contrast; `learnt` for the last layer of a network that learns the
            simulator's labels on `learn` images from ranges much wider than its own; or the run folder of a model. The
            learnt one sees images as they are; a model normalises as it was trained to.
        seed: of the rendering and the training.

    Raises:
        InputError: no such run, or its model takes other images than the simulator renders.
    """
    if features is None:
        return describe
    if features == LEARNT:
        return learnt(space, simulator, learn, seed).embed
    return saved(features, simulator).embed


def saved(folder: str, simulator: Simulator) -> Model:
    """The model of a run folder, which takes what the simulator renders."""
    model, expected = load_model(folder), (simulator.channels, *simulator.size)
    if model.shape != expected:
        raise InputError(
            f"calibrate.features '{folder}': its model takes inputs of {model.shape}, the simulator renders "
            f"{expected}. Expected a run on images of that shape, or '{LEARNT}'"
        )
    return model


def learnt(space: Space, simulator: Simulator, images: int, seed: int) -> Model:
    """A new model of the simulator's first labels."""
    made = simulator.with_ranges(**space.wide(FAR)).labelled(images, seed)
    task = Classification.of(made) if made.classes else Regression.of(made)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = Model(task, made.shape, statistics="none")  # light is among what is searched
    loop = Loop(steps=-(-PASSES * images // BATCH), batch=BATCH, seed=seed)
    Trainer(_Labels(model), made, made.unlabelled(), loop).run()
    return model.eval()
