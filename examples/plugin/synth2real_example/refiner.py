"""A refiner in closed form: inverts the grey values where that brings the images closer to the target."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from synth2real import Labelled, Unlabelled
from synth2real.refine import ImageMapping
from synth2real.settings import settings
from synth2real.training.loop import Loop, Report

MOST = 500  # images that are read from each domain


@settings
class Invert(ImageMapping):
    """Inverts the images if their mean grey value is then closer to the target's."""

    name: ClassVar[str] = "invert"  # as in the entry point

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> None:
        ours, theirs = (x.inputs[torch.arange(min(len(x), MOST))].float().mean() / 255 for x in (source, target))
        self.inverts = (1 - ours - theirs).abs() < (ours - theirs).abs()

    def refine(self, x: Tensor) -> Tensor:
        return 1 - x if bool(self.inverts) else x

    def learnt(self) -> dict[str, Tensor]:
        return {"inverts": self.inverts}

    def take(self, learnt: dict[str, Tensor]) -> None:
        self.inverts = learnt["inverts"]
