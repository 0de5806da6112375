"""A small model that is trained on a simulator while the simulator's ranges change."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..adapt import SourceOnly
from ..data.domains import Labelled
from ..simulate import Simulator
from ..tasks import Task
from ..training.hardware import Hardware
from ..training.loop import Loop, Trainer
from ..training.model import Model


@dataclass
class SourceLearner:
    """Trains one model with `SourceOnly`. Each call of `learn` continues the training on new images.

    Args:
        task: what the model predicts.
        images: number of images rendered for each call.
        steps: of training for each call.
        batch: samples per step.
        seed: of the initial weights.
        hardware: device, precision and memory format.
    """

    task: Task
    images: int = 400
    steps: int = 40
    batch: int = 64
    seed: int = 0
    hardware: Hardware = field(default_factory=Hardware.detect)

    def __post_init__(self) -> None:
        self.objective = SourceOnly(schedule="constant", decay=0)  # `model` has the latest weights
        self.model: Model | None = None
        self.unit = 1.0  # the error at which performance is 0

    def learn(self, simulator: Simulator, seed: int) -> None:
        """Train `steps` more steps on new images of this simulator."""
        source = simulator.labelled(self.images, seed)
        if not self.task.higher_is_better:
            constant = source.labels.nanmedian(0, keepdim=True).values.expand_as(source.labels)
            self.unit = max(self._error(constant, source), 1e-9)
        if self.model is None:
            with torch.random.fork_rng([]):
                torch.manual_seed(self.seed)
                self.model = Model(self.task, source.shape)
            self.objective.prepare(self.model, source.unlabelled())
        self.model.train()
        loop = Loop(steps=self.steps, batch=self.batch, seed=seed, hardware=self.hardware)
        Trainer(self.objective, source, source.unlabelled(), loop, self.task.move).run()

    def performance(self, simulator: Simulator, n: int, seed: int) -> float:
        """Performance on `n` new images: 1 without errors.

        Classes and masks: 0 if every prediction is wrong. Other tasks: 0 if the error equals that of a constant
        prediction on the images of the last `learn`.

        Raises:
            AssertionError: `learn` was not called before.
        """
        assert self.model is not None, "learn() comes before performance()"
        data = simulator.labelled(n, seed)
        return 1 - self._error(self.model.eval().predict(data.unlabelled()).values, data) / self.unit

    def _error(self, predictions: Tensor, data: Labelled) -> float:
        value = float(self.task.metrics(predictions, data.labels)[self.task.metric])
        return 1 - value if self.task.higher_is_better else value
