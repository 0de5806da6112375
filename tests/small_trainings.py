"""Tiny trainings of every method and refiner, whose losses and final weights several processes must reproduce."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synth2real.adapt import METHODS, SDA, SOURCE_FREE
from synth2real.adapt.self_training.base import SelfTrained
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.randomize import Full
from synth2real.refine import METHODS as REFINERS
from synth2real.route.route import Route
from synth2real.tasks import Classification, Keypoints, Regression, Task
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Trainer
from synth2real.training.model import Model

SIDE, STEPS = 8, 4
FOR_CLASSES = ("adamatch", "cdan", "entropy", "mcc", "mcd", "mdd")  # the others are trained on points
# Adam makes a full step of a gradient that is rounding alone, such as that of a bias before batch normalisation.
SGD = {"optimize": "sgd", "rate": 0.01}
Trained = tuple[list[dict[str, float]], dict[str, Tensor]]  # the losses of each step, and the state


class Tiny(nn.Module):
    """A network with batch normalisation that a test trains in milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 8)
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x)
        return found


class Noisy(Tiny):
    """Draws random numbers in the ways of torch: dropouts, noise, and stochastic depth."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout2d(self.layers[1](self.layers[0](x + 0.1 * torch.rand_like(x))), 0.3, self.training)
        x = F.relu(x) * x.new_empty(len(x), 1, 1, 1).bernoulli_(0.8) + 0.1 * torch.randn(len(x), 1, 3, 3)
        features: Tensor = F.dropout(self.layers[3:](x), 0.2, self.training)
        return features


def made(points: bool, size: int = SIDE, features: bool = False) -> tuple[Labelled, Unlabelled, Task]:
    generator = torch.Generator().manual_seed(5)
    images = [(torch.rand(30, 1, size, size, generator=generator) * 255).to(torch.uint8) for _ in range(2)]
    if features:
        images = [one.flatten(1).float() / 255 for one in images]
    target = Unlabelled(images[1])
    if points:
        source = Labelled(images[0], 1 + 5 * torch.rand(30, 2, generator=generator), columns=("p_x", "p_y"))
        return source, target, (Regression if features else Keypoints).of(source)
    source = Labelled(images[0], torch.arange(30) % 3, ("a", "b", "c"))
    return source, target, Classification.of(source)


def recorded(trainer: Trainer) -> Trained:
    """The losses of each step, and the state at the end."""
    rows: list[dict[str, float]] = []
    trainer.run(lambda step, terms: rows.append(terms))
    return rows, trainer.state()


def trainer(
    name: str,
    *,
    domains: tuple[Labelled, Unlabelled, Task] | None = None,
    network: type[nn.Module] = Tiny,
    randomize: Any = None,
    batch: int = 6,
    accumulate: int = 1,
    dropout: float = 0.0,
) -> Trainer:
    """Of an adaptation method, with full randomization, batch normalisation, and self-training from the first step."""
    source, target, task = domains or made(name not in FOR_CLASSES)
    torch.manual_seed(0)
    route = Route(adapt=METHODS[name](dropout=dropout, norm="batch", **SGD), features=network())
    objective = route.prepare(source, target, task, 0, Hardware())
    if isinstance(objective, SelfTrained):
        objective.burn_in.started.fill_(-20)
    policy = randomize or Full().settled(task)
    loop = Loop(STEPS, batch, 0, Hardware(), policy, report_every=1, accumulate=accumulate)
    return Trainer(objective, source, target, loop, task.move, task.mix)


def adapted(name: str, **settings: Any) -> Trained:
    """An adaptation method, trained for some steps."""
    return recorded(trainer(name, **settings))


def refined(name: str, **settings: Any) -> Trained:
    """A refiner, trained on crops."""
    source, target, _ = made(False, 12)
    kind = REFINERS[name]
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    small = {"steps": 3, "maps": 8, "blocks": 1, "pretrain_critic": 1, "history": 8, "crop": 10, **settings}
    refiner: Any = kind(**{key: value for key, value in small.items() if key in known})
    refiner.optimizer = lambda network: torch.optim.SGD(network.parameters(), lr=0.01)
    rows: list[dict[str, float]] = []
    refiner.fit(source, target, Loop(1, 6, 0, Hardware(), report_every=1), lambda step, terms: rows.append(terms))
    state = {f"{at}.{key}": value for at, one in refiner.networks.items() for key, value in one.state_dict().items()}
    return rows, state


def source_free(name: str) -> Trained:
    source, target, task = made(False)
    torch.manual_seed(0)
    model = Model(task, source.shape, features=Tiny(), norm="batch")
    loop = Loop(STEPS, 6, 0, Hardware(), report_every=1)
    return recorded(SOURCE_FREE[name](**SGD).trainer(model, target, loop))


def denoised() -> Trained:
    source, target, _ = made(False, 4, features=True)
    rows: list[dict[str, float]] = []
    mapping = SDA(layers=2, layer_steps=2, hidden=8)
    loop = Loop(1, 6, 0, Hardware(), report_every=1)
    mapping.fit_transform(source, target, loop, lambda step, terms: rows.append(terms))
    assert mapping.feature_map is not None
    return rows, dict(mapping.feature_map.state_dict())
