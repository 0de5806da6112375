"""Candidates for the benchmark of validators: many small trainings, each observed at several steps and stored on disk.

The cache folder has one file for each candidate, `PROTOCOL-AMOUNT/NAME-SEED-STEP.pt`. Stored candidates are never
trained again. This module only defines the candidates; `validators.py` runs them.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.lib.protocols import CLASSES, digits, fonts, mnist_to_usps, usps_to_mnist
from benchmarks.lib.protocols import Protocol as ClassProtocol
from benchmarks.quality.gaze_between import TARGET_SEED, TARGETS, TEST_SEED, harder, narrow
from benchmarks.quality.protocols.eyes import EYE_SOURCE, eyes
from benchmarks.quality.protocols.pupils import NARROW, PUPIL_SOURCE, pupils
from synth2real import Budget, Labelled, Model, Route, Unlabelled
from synth2real.adapt import DANN, METHODS, Teacher
from synth2real.comparison.evaluation import HELD, HELD_SEED, some
from synth2real.datasets import handwriting
from synth2real.randomize import Full, Geometric, Photometric, Policy
from synth2real.route.route import default_task
from synth2real.select.validators import Candidate, Moved, Pool, labels_of, observe
from synth2real.simulate import Digits, Simulator
from synth2real.tasks import Gaze, Keypoints, Task
from synth2real.training.loop import Trainer
from synth2real.transforms.warp import Warp

ANGLES = 45.0  # degrees, plus or minus
TESTS = 300  # labelled images of the target of `gaze`


@dataclass(frozen=True)
class Protocol:
    """The data that candidates are trained on, and the real *dev* labels that evaluate the validators."""

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
    """Rotated rendered digits to rotated MNIST digits, at 16 by 16 pixels. The label is the angle of rotation."""
    simulator = Digits(size=(16, 16), ranges={"rotation": (-ANGLES, ANGLES)})
    rendered = simulator.sample(4000 + HELD, 0)
    source = Labelled(rendered.images, rendered.parameters["rotation"][:, None], columns=("angle",))
    protocol = usps_to_mnist()
    rotated, angles = _rotated(protocol.target.inputs[torch.arange(3000)])
    dev = Labelled(rotated[:1000], angles[:1000], columns=("angle",))
    return Protocol("angles", source, Unlabelled(rotated), dev)


def _rotated(images: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate images (N, 1, H, W) uint8 clockwise. Returns them and the angles (N, 1) in degrees."""
    angles = ANGLES * (2 * torch.rand(len(images), generator=torch.Generator().manual_seed(0)) - 1)
    cos, sin = angles.deg2rad().cos(), angles.deg2rad().sin()
    identity = Warp.identity(len(images), (images.shape[2], images.shape[3]))
    warp = replace(identity, turn=torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2))
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
    """Several settings of one method, weak and strong, by name.

    The protocol `angles` has no geometric transform, because a rotation would change its labels.
    """
    strong = 0.5 if isinstance(protocol.task, Keypoints | Gaze) else 0.3
    light: Policy = Photometric(strength=0.2)
    full: Policy = Photometric() if protocol.name == "angles" else Full(strength=strong)
    if protocol.name == "demo":
        light, full = Geometric(strength=0.2), Geometric()  # in 8 by 8 pixels only the shape is visible
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
    """A stored candidate, and its outputs on the real images that have labels."""

    candidate: Candidate
    step: int
    dev: Tensor

    def real(self, protocol: Protocol, task: Task) -> float:
        """The first metric of the task on real labels, negated if it is an error. Higher is better."""
        labels = labels_of(some(protocol.dev, len(self.dev)), task)
        value = float(task.metrics(task.predict(self.dev), labels)[task.metric])
        return value if task.metric == "accuracy" else -value


@dataclass(frozen=True)
class Amount:
    """Amount of training and of data.

    Args:
        steps, batch, images: steps, batch size and source images of each training.
        seeds: number of trainings of each route.
        checkpoints: number of candidates from each training.
        seen: number of target samples, and of samples with real labels, that a candidate is observed on. It is also
            the number of held-out source samples, but at most 500.
    """

    steps: int = 240
    batch: int = 64
    images: int = 1500
    seeds: int = 2
    checkpoints: int = 3
    seen: int = 600

    def at(self) -> list[int]:
        """The steps of the checkpoints. Each is a multiple of 20, where the training loop stops."""
        parts = range(1, self.checkpoints + 1)
        return sorted({max(20, round(self.steps * part / self.checkpoints / 20) * 20) for part in parts})


def candidates(protocol: Protocol, methods: list[str], amount: Amount, cache: Path) -> tuple[Pool, list[Kept]]:
    """Every candidate of a protocol. Trains those that are not in the cache."""
    source, held_out = _split(protocol.source, amount.images, min(amount.seen, HELD))
    task = protocol.task or default_task(held_out)
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
            keeper = _Keeper(files, held_out, target, dev)
            run = route.run(source, protocol.target, task=task, budget=budget, checkpoint=keeper)
            for step in (step for step, file in files.items() if not file.is_file()):
                keeper.keep(run.model, step)  # a training that ended early gives the same model for the later steps
    kept = list(_read(folder, [name for method in methods for name in routes(method, protocol)], amount.seeds, at))
    return Pool([one.candidate for one in kept], task, labels_of(held_out, task)), kept


def _split(source: Labelled | Simulator, images: int, count: int) -> tuple[Labelled, Labelled]:
    """Split the source into training data and held-out data."""
    if isinstance(source, Simulator):
        return source.labelled(images, 0), source.labelled(count, HELD_SEED)
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))
    return source.subset(order[count : count + images]), source.subset(order[:count])


class _Keeper:
    """Observes a training at the steps of the checkpoints."""

    def __init__(self, files: dict[int, Path], held_out: Labelled, target: Unlabelled, dev: Labelled) -> None:
        self.files, self.held_out, self.target, self.dev = files, held_out, target, dev

    def __call__(self, trainer: Trainer) -> None:
        if trainer.step in self.files:
            self.keep(copy.deepcopy(trainer.algorithm.shipped()).eval(), trainer.step)  # type: ignore[attr-defined]

    def keep(self, model: Model, step: int) -> None:
        """Observe a model and write the result."""
        observed = dict(vars(observe(model, self.held_out, self.target)))
        observed["moved"] = observed["moved"] and dict(vars(observed["moved"]))
        partial = self.files[step].with_suffix(".partial")
        torch.save({"candidate": observed, "step": step, "dev": model.outputs(self.dev.inputs)}, partial)
        partial.replace(self.files[step])


def _read(folder: Path, names: list[str], seeds: int, at: list[int]) -> Iterator[Kept]:
    for name in names:
        for seed in range(seeds):
            for step in at:
                kept: dict[str, Any] = torch.load(folder / f"{name}-{seed}-{step}.pt", weights_only=True)
                moved = kept["candidate"]["moved"]
                fields = {**kept["candidate"], "name": f"{name} at {step}", "seed": seed}
                fields["moved"] = moved and Moved(**moved)
                yield Kept(Candidate(**fields), kept["step"], kept["dev"])
