"""Source only never looks at the target."""

import torch

from helpers import same
from synth2real import Budget, Labelled, Route, Unlabelled
from synth2real.randomize import Full
from synth2real.training.model import Model


class Counting:
    """Inputs that count how many samples are read."""

    def __init__(self, inputs: torch.Tensor) -> None:
        self.inputs, self.shape, self.read = inputs, inputs.shape, 0

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: torch.Tensor) -> torch.Tensor:
        self.read += len(index)
        return self.inputs[index]


def trained(target: Counting, source: Labelled, budget: Budget) -> Model:
    return Route(randomize=Full()).run(source, Unlabelled(target), budget=budget).model


def test_no_target_image_is_read_or_changes_a_weight() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, 1, 16, 16), dtype=torch.uint8, generator=generator)
    source = Labelled(images, torch.arange(60) % 3, ("a", "b", "c"))
    bright, dark = (trained(Counting(images[:40] // k), source, Budget(steps=4)).state_dict() for k in (1, 3))
    for name, weight in bright.items():
        same(weight, dark[name])
    reads = []
    for steps in (2, 6):
        target = Counting(images[:40])
        trained(target, source, Budget(steps=steps))
        reads.append(target.read)
    assert reads[0] == reads[1]  # what is read (for the gap) does not depend on the training
