"""Network features for the comparison of images: from a network trained on the simulator, or from a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ..data.labels import Masks
from ..errors import InputError
from ..simulate import Simulator
from ..tasks import Classification, Regression, Segmentation
from ..training.hardware import Hardware
from ..training.loop import Algorithm, Loop, Progress, SourceBatch, TargetBatch, Trainer, Update
from ..training.model import Model
from ..training.saved_model import load_model
from .image_statistics import describe
from .ranges import Space

LEARNT = "learnt"
WIDENING = 2.5  # factor by which each range is widened for the training of the network
PASSES, BATCH = 5, 64  # over the rendered images
RATE = 1e-3

FeatureFunction = Callable[[Tensor], Tensor]


class _Labels(Algorithm):
    """Trains a model on the labels of rendered images."""

    def __init__(self, model: Model) -> None:
        self.model, self.networks = model, {"model": model}

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        yield Update(of=(self.model,), label=(1.0, self.model.task.loss(self.model(source.x), source.y)))

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(network.parameters(), RATE)


def feature_function(
    features: str | None, space: Space, simulator: Simulator, learn: int, seed: int, hardware: Hardware | None = None
) -> FeatureFunction:
    """Function from images (N, C, H, W) to features (N, F) float32, which are used to compare two sets of images.

    Args:
        features: None: pixels and their local contrast. `learnt`: the last layer of a network that is trained on the
            labels of the simulator, on `learn` images from much wider ranges. This network does not normalise its
            input. Otherwise: the run folder of a model, which normalises as in its training.
        space: the searched parameters.
        simulator: the simulator with its initial ranges.
        learn: number of images to train the network.
        seed: seed of the rendering and the training.
        hardware: device of the network; by default `Hardware.detect()`.

    Raises:
        InputError: the run does not exist, or its model does not take images like those of the simulator.
    """
    if features is None:
        return describe
    if features == LEARNT:
        return learnt(space, simulator, learn, seed, hardware).embed
    return saved(features, simulator, hardware).embed


def saved(folder: str, simulator: Simulator, hardware: Hardware | None = None) -> Model:
    """The model of a run folder. Raises `InputError` if it does not take the images of the simulator."""
    model, expected = load_model(folder, hardware=hardware), (simulator.channels, *simulator.size)
    if model.shape != expected:
        raise InputError(
            f"calibrate.features '{folder}': its model takes inputs of {model.shape}, the simulator renders "
            f"{expected}. Expected a run on images of that shape, or '{LEARNT}'"
        )
    return model


def learnt(space: Space, simulator: Simulator, images: int, seed: int, hardware: Hardware | None = None) -> Model:
    """A new model, trained on the first labels of the simulator."""
    made = simulator.with_ranges(**space.wide(WIDENING)).labelled(images, seed)
    masks = isinstance(made.labels, Masks)
    task = (Segmentation if masks else Classification if made.classes else Regression).of(made)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = Model(task, made.shape, statistics="none")  # the search may include lighting
    loop = Loop(-(-PASSES * images // BATCH), BATCH, seed, hardware or Hardware.detect())
    Trainer(_Labels(model), made, made.unlabelled(), loop).run()
    return model.eval()
