"""Candidates for the benchmark of validators: many small trainings, each observed at several steps and kept on disk.

A cache folder holds one file a candidate, `PROTOCOL/NAME-seed-step.pt`; what it holds is never made again.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from eyes import EYE_SOURCE, eyes
from gaze_between import TARGET_SEED, TARGETS, TEST_SEED, harder, narrow
from protocols import CLASSES, digits, fonts, mnist_to_usps, usps_to_mnist
from protocols import Protocol as ClassProtocol
from pupils import NARROW, PUPIL_SOURCE, pupils
from torch import Tensor

from synth2real import Budget, Labelled, Model, Route, Unlabelled
from synth2real.adapt import DANN, METHODS, Teacher
from synth2real.comparison.evaluation import HELD, HELD_SEED, some
from synth2real.datasets import handwriting
from synth2real.randomize import Full, Geometric, Photometric, Policy
from synth2real.route.route import default_task
from synth2real.select.validators import Candidate, Pool, labels_of, observe
from synth2real.simulate import Digits, Simulator
from synth2real.tasks import Gaze, Keypoints, Task
from synth2real.training.loop import Trainer
from synth2real.transforms.warp import Warp

ANGLES = 45.0  # degrees, plus or minus
TESTS = 300  # labelled images of the gaze's target


@dataclass(frozen=True)
class Protocol:
    """What candidates are trained on, and the real *dev* labels that validators are judged by."""

    name: str
    source: Labelled | Simulator
    target: Unlabelled
    dev: Labelled
    task: Task | None = None


def _classes(protocol: ClassProtocol) -> Protocol:
    return Protocol(protocol.name, protocol.source, protocol.target, protocol.dev)


def _demo() -> Protocol:
    from sklearn.datasets import load_digits

    target, _ = handwriting()
    labels = torch.from_numpy(load_digits().target[: len(target)]).long()
    return Protocol("demo", Digits(size=(8, 8)), target, Labelled(target.inputs, labels, CLASSES))


def _points(name: str, source: Simulator) -> Protocol:
    given = eyes(name, source) if name.startswith("eyes") else pupils(name, source)
    return Protocol(name, source, given.target, given.dev[0], given.task)


def _gaze() -> Protocol:
    target = harder().labelled(TARGETS, TARGET_SEED).unlabelled()
    return Protocol("gaze", narrow(), target, harder().labelled(TESTS, TEST_SEED), Gaze())


def _angles() -> Protocol:
    """Rendered digits at 16 by 16 that are turned by an angle, to MNIST's, turned alike; the angle is the value."""
    simulator = Digits(size=(16, 16), ranges={"rotation": (-ANGLES, ANGLES)})
    drawn = simulator.sample(4000 + HELD, 0)
    source = Labelled(drawn.images, drawn.parameters["rotation"][:, None], columns=("angle",))
    protocol = usps_to_mnist()
    turned, angles = _turned(protocol.target.inputs[torch.arange(3000)])
    dev = Labelled(turned[:1000], angles[:1000], columns=("angle",))
    return Protocol("angles", source, Unlabelled(turned), dev)


def _turned(images: Tensor) -> tuple[Tensor, Tensor]:
    """Images (N, 1, H, W) uint8 turned clockwise, and by how much, (N, 1) in degrees."""
    angles = ANGLES * (2 * torch.rand(len(images), generator=torch.Generator().manual_seed(0)) - 1)
    cos, sin = angles.deg2rad().cos(), angles.deg2rad().sin()
    still = Warp.identity(len(images), (images.shape[2], images.shape[3]))
    warp = replace(still, turn=torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2))
    return warp.image(images.float()).round().to(torch.uint8), angles[:, None]


PROTOCOLS: dict[str, Callable[[], Protocol]] = {
    "demo": _demo,
    "usps": lambda: _classes(mnist_to_usps()),
    "usps-to-mnist": lambda: _classes(usps_to_mnist()),
    "fonts": lambda: _classes(fonts()),
    "digits": lambda: _classes(digits()),
    "angles": _angles,
    "eyes": lambda: _points("eyes", EYE_SOURCE),
    "eyes-narrow": lambda: _points("eyes-narrow", EYE_SOURCE.widened(NARROW)),
    "pupils": lambda: _points("pupils", PUPIL_SOURCE),
    "pupils-narrow": lambda: _points("pupils-narrow", PUPIL_SOURCE.widened(NARROW)),
    "gaze": _gaze,
}


def routes(method: str, protocol: Protocol) -> dict[str, Route]:
    """Some settings of one method, weak and strong, by name. Angles may not be turned, so there nothing is moved."""
    strong = 0.5 if isinstance(protocol.task, Keypoints | Gaze) else 0.3
    light: Policy = Photometric(strength=0.2)
    full: Policy = Photometric() if protocol.name == "angles" else Full(strength=strong)
    if protocol.name == "demo":
        light, full = Geometric(strength=0.2), Geometric()  # eight pixels carry little but a shape
    grids: dict[str, dict[str, Route]] = {
        "source-only": {
            "plain": Route(),
            "light": Route(randomize=light),
            "full": Route(randomize=full),
        },
        "dann": {
            "weak": Route(randomize=full, adapt=DANN(weight=0.1)),
            "hard": Route(randomize=light, adapt=DANN(weight=3.0)),
        },
        "teacher": {
            "full": Route(randomize=full, adapt=Teacher(decay=0.99)),
            "light": Route(randomize=light, adapt=Teacher(decay=0.99, weight=3.0)),
        },
    }
    rest = {
        "light": Route(randomize=light, adapt=METHODS[method]()),
        "full": Route(randomize=full, adapt=METHODS[method]()),
    }
    return {f"{method}-{name}": route for name, route in grids.get(method, rest).items()}


@dataclass(frozen=True)
class Kept:
    """A candidate as it stands in the cache, with what it says of real images whose labels are known."""

    candidate: Candidate
    step: int
    dev: Tensor

    def real(self, protocol: Protocol, task: Task) -> float:
        """The task's first metric on real labels; of errors, minus it."""
        labels = labels_of(some(protocol.dev, len(self.dev)), task)
        value = float(task.metrics(task.predict(self.dev), labels)[task.metric])
        return value if task.metric == "accuracy" else -value


@dataclass(frozen=True)
class Amount:
    """How much is trained and looked at.

    Args:
        steps, batch, images: of each training.
        seeds: trainings of each route.
        checkpoints: candidates that each training gives.
        seen: samples of the target, and of those with real labels, that a candidate is observed on; at most 500 of the
            held source.
    """

    steps: int = 240
    batch: int = 64
    images: int = 1500
    seeds: int = 2
    checkpoints: int = 3
    seen: int = 600

    def at(self) -> list[int]:
        """The steps that are kept; the loop stops at every twentieth."""
        parts = range(1, self.checkpoints + 1)
        return sorted({max(20, round(self.steps * part / self.checkpoints / 20) * 20) for part in parts})


def candidates(protocol: Protocol, methods: list[str], amount: Amount, cache: Path) -> tuple[Pool, list[Kept]]:
    """Every candidate of a protocol, made where the cache lacks it."""
    source, held = _split(protocol.source, amount.images, min(amount.seen, HELD))
    task = protocol.task or default_task(held)
    target, dev = some(protocol.target, amount.seen), some(protocol.dev, amount.seen)
    at = amount.at()
    folder = cache / f"{protocol.name}-{amount.images}-{amount.batch}-{amount.seen}-{at[-1]}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, route in (pair for method in methods for pair in routes(method, protocol).items()):
        for seed in range(amount.seeds):
            files = {step: folder / f"{name}-{seed}-{step}.pt" for step in at}
            if all(file.is_file() for file in files.values()):
                continue
            print(f"{protocol.name}: {name}, seed {seed}", file=sys.stderr, flush=True)
            budget = Budget(steps=at[-1], seed=seed, batch=amount.batch)
            keeper = _Keeper(files, held, target, dev)
            run = route.run(source, protocol.target, task=task, budget=budget, checkpoint=keeper)
            for step in (step for step, file in files.items() if not file.is_file()):
                keeper.keep(run.model, step)  # a training that has ended before its last step stays as it ended
    kept = list(_read(folder, [name for method in methods for name in routes(method, protocol)], amount.seeds, at))
    return Pool([one.candidate for one in kept], task, labels_of(held, task)), kept


def _split(source: Labelled | Simulator, images: int, count: int) -> tuple[Labelled, Labelled]:
    """What is trained on, and what is held."""
    if isinstance(source, Simulator):
        return source.labelled(images, 0), source.labelled(count, HELD_SEED)
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))
    return source.subset(order[count : count + images]), source.subset(order[:count])


class _Keeper:
    """Observes a training at the steps that are to be kept."""

    def __init__(self, files: dict[int, Path], held: Labelled, target: Unlabelled, dev: Labelled) -> None:
        self.files, self.held, self.target, self.dev = files, held, target, dev

    def __call__(self, trainer: Trainer) -> None:
        if trainer.step in self.files:
            self.keep(copy.deepcopy(trainer.algorithm.shipped()).eval(), trainer.step)  # type: ignore[attr-defined]

    def keep(self, model: Model, step: int) -> None:
        """Observe a model and write what was seen."""
        told = vars(observe(model, self.held, self.target))
        partial = self.files[step].with_suffix(".partial")
        torch.save({"candidate": told, "step": step, "dev": model.outputs(self.dev.inputs)}, partial)
        partial.replace(self.files[step])


def _read(folder: Path, names: list[str], seeds: int, at: list[int]) -> Iterator[Kept]:
    for name in names:
        for seed in range(seeds):
            for step in at:
                kept: dict[str, Any] = torch.load(folder / f"{name}-{seed}-{step}.pt", weights_only=True)
                told = {**kept["candidate"], "name": f"{name} at {step}", "seed": seed}
                yield Kept(Candidate(**told), kept["step"], kept["dev"])
