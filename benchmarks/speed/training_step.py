"""Speed of a training step of every adaptation method: this library, the same step by hand, and other libraries.

All train the default network on 28 by 28 by 3 images in uint8 tensors in memory, with 64 source and 64 target images a
step, without randomization and in the precision of this machine. The hand-written steps (`benchmarks/lib/by_hand`)
compute the same as ours, which is checked first, and have neither checks nor a guard against collapse. Masks: 16 images
of 128 by 128. All run in turns in each round. A ratio is our time divided by theirs: 1.05 is five percent more.

    python -m benchmarks.speed.training_step [--rounds 5] [--steps 20] [--methods dann mcc masks]

The row of a library that does not import or fails says why. To install them: `pip install skada skorch`; `pip install
--no-deps pytorch-adapt pytorch-metric-learning torchmetrics==0.9.3 "setuptools<81"`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.lib import by_hand
from benchmarks.lib.peers import PEERS
from benchmarks.lib.results import Column, Row, show
from benchmarks.lib.timing import ROUNDS, interleaved, rates, ratios
from synth2real.adapt import ADDA, METHODS, Objective, SourceOnly
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.labels import Masks
from synth2real.route.route import Route
from synth2real.tasks import Classification, Segmentation, Task
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Trainer

CLASSES = tuple("0123456789")
CHECKED = 3  # steps whose losses must be equal
COLUMNS = (
    Column("method", "method"),
    Column("beside", "beside"),
    Column("ours", "ours, images/s"),
    Column("theirs", "theirs, images/s"),
    Column("ratio", "our time / theirs", whole=True),
)


@dataclass(frozen=True)
class Case:
    """A method on its data: images x with labels y, and images z."""

    name: str
    adapt: Objective
    task: Task
    source: Labelled
    target: Unlabelled
    batch: int
    hand: type[by_hand.ByHand]

    def prepared(self, hardware: Hardware) -> Objective:
        """The objective with its networks."""
        return Route(adapt=self.adapt).prepare(self.source, self.target, self.task, 0, hardware)

    def trainer(self, objective: Objective, steps: int, hardware: Hardware) -> Trainer:
        loop = Loop(steps, self.batch, 0, hardware, report_every=steps)
        return Trainer(objective, self.source, self.target, loop, self.task.move)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        labels = self.source.labels
        y = labels.tensor if isinstance(labels, Masks) else labels
        return self.source.inputs[:], y, self.target.inputs[:]  # type: ignore[index]


def case(name: str, count: int = 2048, batch: int = 64) -> Case:
    """The case of a method by name, or `masks`."""
    generator = torch.Generator().manual_seed(0)
    if name == "masks":
        x, z = (
            torch.randint(256, (count // 16, 3, 128, 128), dtype=torch.uint8, generator=generator) for _ in range(2)
        )
        labels = Masks(torch.randint(2, (len(x), 128, 128), dtype=torch.uint8, generator=generator))
        source = Labelled(x, labels, ("ground", "object"))
        task = Segmentation(("ground", "object"), (128, 128))
        return Case(name, SourceOnly(), task, source, Unlabelled(z), batch // 4, by_hand.Masks)
    x, z = (torch.randint(256, (count, 3, 28, 28), dtype=torch.uint8, generator=generator) for _ in range(2))
    source = Labelled(x, torch.randint(10, (count,), generator=generator), CLASSES)
    adapt = ADDA(pretrain=1e-6) if name == "adda" else METHODS[name]()  # one step of the first phase
    return Case(name, adapt, Classification(CLASSES), source, Unlabelled(z), batch, by_hand.METHODS[name])


def ours(case: Case, hardware: Hardware, steps: int) -> float:
    """Seconds of a training, after its networks are built."""
    trainer = case.trainer(case.prepared(hardware), steps, hardware)
    trainer.run()
    return steps / trainer.speed.steps_per_second


def hand_written(case: Case, hardware: Hardware, steps: int) -> float:
    """Seconds of the same training by hand."""
    objective, (x, y, z) = case.prepared(hardware), case.tensors
    network = case.hand(objective.model, objective.networks)
    start = time.perf_counter()
    order = torch.cat([torch.randperm(len(x)) for _ in range(1 + steps * case.batch // len(x))]).split(case.batch)
    other = torch.cat([torch.randperm(len(z)) for _ in range(1 + steps * case.batch // len(z))]).split(case.batch)
    for step in range(steps):
        known = scaled(x[order[step]], hardware)
        unknown = scaled(z[other[step]], hardware) if network.uses_target else known
        network.step(known, y[order[step]], unknown, step, steps, hardware.autocast)
    return time.perf_counter() - start


def scaled(images: Tensor, hardware: Hardware) -> Tensor:
    return (images.float() / 255).contiguous(memory_format=hardware.memory_format)


def losses_of_both(case: Case) -> tuple[list[float], list[float]]:
    """The losses of the first updates, ours and by hand, in float32 on the same batches with the same dropout."""
    hardware, found = Hardware(), ([], [])  # type: tuple[Hardware, tuple[list[float], list[float]]]
    objective = case.prepared(hardware)
    network = case.hand(objective.model, objective.networks)
    burn_in: Any = getattr(objective, "burn_in", None)
    if burn_in is not None:
        burn_in.started.fill_(0)  # by hand, self-training starts at once
    plain = objective.updates

    def recorded(*batch: Any) -> Iterator[Any]:
        for update in plain(*batch):
            found[0].append(float(update.loss().detach()))
            yield update

    objective.updates = recorded  # type: ignore[assignment, method-assign]
    trainer = case.trainer(objective, CHECKED, hardware)
    batches = [trainer.batches(step) for step in range(CHECKED)]
    trainer.run()
    for step, (source, target) in enumerate(batches):
        torch.manual_seed(2 * step)  # as the loop does, for dropout
        y = source.y.tensor if isinstance(source.y, Masks) else source.y
        found[1].extend(float(loss) for loss in network.step(source.x, y, target.x, step, CHECKED))
    return found


def check(case: Case) -> None:
    """End the program if the hand-written step computes something else."""
    mine, theirs = losses_of_both(case)
    if len(mine) != len(theirs) or not torch.allclose(torch.tensor(mine), torch.tensor(theirs), rtol=1e-2, atol=1e-4):
        raise SystemExit(f"{case.name}: the losses are {mine}, by hand {theirs}, expected the same")


def rows(name: str, steps: int, rounds: int) -> list[Row]:
    """A row for each that a method is compared with."""
    chosen, hardware = case(name), Hardware.detect("cpu")
    check(chosen)
    runs: dict[str, Callable[[], float]] = {
        "ours": partial(ours, chosen, hardware, steps),
        "by hand": partial(hand_written, chosen, hardware, steps),
    }
    found: list[Row] = []
    for library, (build, methods) in PEERS.items():
        if name in methods:
            try:
                run = build(name, *chosen.tensors, chosen.batch)
                run(2)
                runs[library] = partial(run, steps)
            except Exception as error:  # a library that is missing or broken must not end the benchmark
                found.append({"beside": library, "error": f"{type(error).__name__}: {error}"})
    times = interleaved(runs, rounds)
    images = (2 if chosen.hand.uses_target else 1) * chosen.batch * steps
    for library in list(runs)[1:]:
        row = {"beside": library, "theirs": rates(images, times[library])}
        found.append({**row, "ratio": ratios(times["ours"], times[library])})
    part = "masks" if name == "masks" else "classes"
    return [{"part": part, "method": name, "ours": rates(images, times["ours"]), **row} for row in found]


def main() -> None:
    names = [*by_hand.METHODS, "masks"]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--methods", nargs="+", choices=names, default=names)
    arguments = parser.parse_args()
    found = [row for name in arguments.methods for row in rows(name, arguments.steps, arguments.rounds)]
    settings = {"steps": arguments.steps, "rounds": arguments.rounds, "precision": Hardware.detect("cpu").precision}
    show("speed/training_step", COLUMNS, found, settings, ["skada", "pytorch-adapt", "tllib"])


if __name__ == "__main__":
    main()
