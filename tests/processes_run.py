"""What each of several processes does in the tests of them: trainings that go on, end early, come apart or die."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import small_trainings as small
from small_trainings import Trained
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.reading import ImageFiles
from synth2real.data.reading.pixels import Conversion
from synth2real.networks.adversarial import slope
from synth2real.networks.layers import PatchCritic, Refiner
from synth2real.refine.crops import Crops
from synth2real.training.distributed import processes
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Algorithm, Loop, Progress, SourceBatch, TargetBatch, Trainer, Update


def stopped_and_resumed(state: dict[str, Tensor] | None, stop: int) -> Trained:
    """A training up to a step, begun with a state in the first process alone."""
    trainer = small.trainer("dann", batch=7)
    here = processes()
    if state is not None and (here is None or here.first):
        trainer.restore({name: value.clone() for name, value in state.items()})
    rows: list[dict[str, float]] = []
    kept: list[dict[str, Tensor]] = []
    trainer.run(lambda step, terms: rows.append(terms), lambda now: kept.append(now.state()))
    return rows, kept[stop - 1] if stop < len(kept) else trainer.state()


def randomized_by_own_policy() -> Trained:
    """A policy of a user's that knows no rows, as before there were several processes."""

    class Own:
        def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, None]:
            return x + 0.1 * torch.rand(len(x), 1, 1, 1, generator=generator), None

        def mix(self, x: Tensor, generator: torch.Generator) -> None:
            return None

    return small.recorded(small.trainer("dann", randomize=Own()))


def read_from_files(folder: Path) -> tuple[Trained, int]:
    """A training on image files, and how many of them this process has read."""
    files = sorted(folder.iterdir())

    class Counted(ImageFiles):
        read = 0

        def __getitem__(self, index: Tensor, /) -> Tensor:
            Counted.read += len(index)
            return super().__getitem__(index)

    inputs = Crops(Counted(files, Conversion((9, 9), 1)), (1, 8, 8), 3)
    _, target, task = small.made(False)
    source = Labelled(inputs, torch.arange(len(files)) % 3, ("a", "b", "c"))
    trained = small.recorded(small.trainer("dann", domains=(source, target, task)))
    return trained, Counted.read


class Plain(Algorithm):
    """One number, that the processes of a test may disagree on."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.number, self.unused = nn.Linear(2, 1, bias=False), nn.Linear(2, 1)
        self.networks = {"number": self.number, "unused": self.unused}
        self.steps = 0

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.5)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        self.steps += 1
        yield Update(of=(self.number, self.unused), up=(1.0, self.number(source.x).sum()))

    def train(self, steps: int = 6) -> int:
        """Train, and return the number of steps taken."""
        source = Labelled(torch.ones(8, 2), torch.tensor([0, 1] * 4))
        Trainer(self, source, Unlabelled(torch.ones(6, 2)), Loop(steps=steps, batch=4, hardware=Hardware())).run()
        return self.steps


def rank() -> int:
    here = processes()
    assert here is not None
    return here.rank


def ended_early() -> int:
    class Early(Plain):
        @property
        def finished(self) -> bool:
            return self.steps >= (3 if rank() == 0 else 1)

    return Early().train()


def unused_parameters() -> tuple[bool, list[float]]:
    """Whether a network without a gradient is left alone, which weight decay would change; and the one that has one in
    one process alone."""

    class Sometimes(Plain):
        def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
            loss = self.number(source.x).sum() if rank() == 0 else torch.zeros((), requires_grad=True) * 1.0
            yield Update(of=(self.number, self.unused), up=(1.0, loss))

    algorithm = Sometimes()
    before = algorithm.unused.weight.clone()
    algorithm.train(1)
    return bool(algorithm.unused.weight.equal(before)), algorithm.number.weight.flatten().tolist()


def drifted() -> None:
    class Drifting(Plain):
        def after_step(self, progress: Progress) -> None:
            self.unused.bias.data.add_(rank())

    Drifting().train()


def drawn_apart() -> None:
    class Drawing(Plain):
        def after_step(self, progress: Progress) -> None:
            torch.rand(1 + rank())

    Drawing().train()


def started_apart() -> None:
    Plain().train(steps=6 + rank())


def differentiated_twice(count: int = 6) -> list[Tensor]:
    """A refiner in front of a critic, and the squared slope of the critic: its gradient is of second order."""
    torch.manual_seed(0)
    refiner, critic = Refiner(1, 4, 1, "image"), PatchCritic(1, 4)
    x = torch.rand(count, 1, 8, 8)
    refined = refiner(x)
    loss = critic(refined).square().mean() + (refined - x).abs().mean() + slope(critic, x)
    gradients = torch.autograd.grad(loss, [*refiner.parameters(), *critic.parameters()])
    return [loss.detach(), *gradients]


def differentiated_by_rows(count: int) -> list[Tensor]:
    here = processes()
    assert here is not None
    with here.by_rows():
        loss, *gradients = differentiated_twice(count)
    return [loss, *(here.gathered(one[None], here.count).mean(0) for one in gradients)]


def failed_within() -> bool:
    """Whether a forward pass that fails leaves the next one as it would be."""
    here = processes()
    assert here is not None
    critic = PatchCritic(1, 4)
    with here.by_rows():
        with pytest.raises(RuntimeError, match="channels"):
            critic(torch.rand(4, 3, 8, 8))
        made = critic(torch.rand(4, 1, 8, 8))
    return len(made) == 4 and len(critic(torch.rand(3, 1, 8, 8))) == 3


def died(doomed: int) -> None:
    class Dying(Plain):
        def after_step(self, progress: Progress) -> None:
            if progress.step == 1 and rank() == doomed:
                os._exit(9)

    Dying().train()
