"""Objective: how a model is trained so that its features serve both domains; and the part that needs no source."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.domains import Labelled, Unlabelled
from ..networks.feature_maps import FeatureMap
from ..networks.layers import Norm, Statistics
from ..settings import settings
from ..tasks import Classification, Task
from ..training.loop import Algorithm, Progress
from ..training.model import Model


@settings
class Learner(Algorithm):
    """The settings of the optimisation that every method shares, and its life: prepared, trained, shipped.

    Args:
        optimize: `adam` (decoupled weight decay), or `sgd` with momentum 0.9.
        rate: highest learning rate.
        schedule: of the learning rate: `cosine` to zero after a warm-up over the first 2 percent; `dann`, the paper's
            division by (1 + 10 p) ** 0.75; or `constant`.
        weight_decay: of the optimizer.
        clip: greatest norm of an update's gradient; None for no limit.
    """

    optimize: Literal["adam", "sgd"] = "adam"
    rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["cosine", "dann", "constant"] = "cosine"
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float | None = Field(default=None, gt=0)

    def fresh(self, shape: tuple[int, ...] | None = None) -> Self:
        """The same settings without anything that a training has left behind, suited to inputs of `shape`."""
        return dataclasses.replace(self)

    def prepare(self, model: Model, target: Unlabelled, sources: int = 1) -> None:
        """Take the model that will be trained and build the other networks.

        Where it is trained on mapped features, `feature_map` is set thereafter.

        Called once, before the training. `target` is for label-free checks while training; `sources` is how many
        domains the labelled data is of.
        """
        self.model, self.task, self.sources = model, model.task, sources
        self.networks = {"model": model}
        self.feature_map: FeatureMap | None = None
        self.refuse()
        self.build(target)

    def refuse(self) -> None:
        """Raise `InputError` where the method does not serve the task."""

    def build(self, target: Unlabelled) -> None:
        """Build what the method needs beside the model, and add its networks to `self.networks`."""

    def solve(self, source: Labelled, target: Unlabelled) -> None:
        """Fit at once what has a closed form, before the first step; nothing by default."""

    def shipped(self) -> Model:
        """The network to keep once trained."""
        return self.model

    def ready(self) -> Model:
        """The shipped model, ready to predict: behind the map of the features that it was trained on."""
        model = self.shipped()
        if self.feature_map is not None:
            model.put_behind(self.feature_map)
        return model.eval()

    def learning_rate(self, progress: Progress) -> float:
        p = progress.fraction
        if self.schedule == "dann":
            return float(self.rate / (1 + 10 * p) ** 0.75)
        if self.schedule == "constant":
            return self.rate
        warm = min(1.0, (progress.step + 1) / (0.02 * progress.steps))
        return self.rate * warm * 0.5 * (1 + math.cos(math.pi * p))

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        parameters = [p for p in network.parameters() if p.requires_grad]
        if self.optimize == "sgd":
            return torch.optim.SGD(parameters, lr=self.rate, momentum=0.9, weight_decay=self.weight_decay)
        return torch.optim.AdamW(parameters, lr=self.rate, weight_decay=self.weight_decay)


@settings
class Objective(Learner):
    """A method that trains a new model on both domains; it adds its own settings, its networks, and its `updates`.

    Args:
        network: feature extractor by name (`backbones.build_network`); None chooses by the input's shape.
        weights: `.safetensors` file that the feature extractor starts from.
        frozen: use the feature extractor as it is; the head and the method's own networks alone are trained.
        cached: compute the features of a frozen network once; only where no image is randomized.
        statistics: input normalisation, `per-image`, `source` or `none`.
        norm: normalisation between the layers, over groups of maps (`group`) or over the batch (`batch`).
        head: widths of hidden layers between features and outputs.
        dropout: share of the features dropped while training, in 0..1; None is the method's own for classes, else 0.
        optimize, rate, schedule, weight_decay, clip: as in `Learner`.
    """

    default_randomization: ClassVar[str | None] = None  # policy where the user names none
    assumes_source_balance: ClassVar[bool] = True  # whether it takes the target's class balance for the source's
    adapts_extractor: ClassVar[bool] = False  # all that it does it does to the extractor, which so cannot be frozen
    default_dropout: ClassVar[float] = 0.0  # for classes, where the user names none
    soft_labels: ClassVar[bool] = False  # whether the source's classes may come as shares, as they do of mixed images

    network: str | None = None
    weights: str | None = None
    frozen: bool = False
    cached: bool = False
    statistics: Statistics = "per-image"
    norm: Norm = "group"
    head: tuple[int, ...] = ()
    dropout: float | None = Field(default=None, ge=0, lt=1)

    def dropped(self, task: Task) -> float:
        """Share of the features to drop: a position is read off all of them, a class can do with some."""
        if self.dropout is not None:
            return self.dropout
        return self.default_dropout if isinstance(task, Classification) else 0.0

    def unit(self, label: Tensor) -> float | Tensor:
        """What a second term is measured in beside the label's loss, a scalar tensor.

        1 for classes, whose loss is about 1 as papers presume. For values, points and gaze that loss itself: of a point
        well found it is a hundredth, which a term in the papers' units would overrule.
        """
        return 1.0 if isinstance(self.task, Classification) else label.detach()
