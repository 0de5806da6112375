"""Base class of the methods that learn from their own predictions: they start after a burn-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...data.domains import Unlabelled
from ...settings import settings
from ...training.collapse import CollapseWatch
from ...training.loop import Progress, SourceBatch, TargetBatch, Terms, Update
from ..base import Objective
from .burn_in import BurnIn


@settings
class SelfTrained(Objective):
    """Trains on the source alone until it is learnt (`BurnIn`), and then also on its own predictions for the target.

    A method for classes sets `watch` (`CollapseWatch`) in `build`, and shows it the predictions for each batch.
    """

    def build(self, target: Unlabelled) -> None:
        self.burn_in = BurnIn(self.task)
        self.networks["burn_in"] = self.burn_in

    def observe_source(self, known: Tensor, labels: Any, progress: Progress) -> None:
        """Take the student's raw outputs (B, O) for a source batch, and its labels, for the burn-in."""
        self.burn_in.observe(known, labels, progress, True if self.watch is None else self.watch.informative())

    @property
    def learns_from_itself(self) -> bool:
        return self.burn_in.over

    def notes(self) -> list[str]:
        return [*super().notes(), *self.burn_in.notes()]


@settings
class PredictionLoss(SelfTrained):
    """A loss on the predictions for the target that needs no labels, beside the task's loss on the source.

    Its weight rises after the burn-in, and a collapse stops the training (`CollapseWatch`).

    Args:
        weight: of the loss at full strength.
    """

    term: ClassVar[str]  # the name of the loss
    default_randomization: ClassVar[str | None] = "full"
    assumes_source_balance: ClassVar[bool] = False

    weight: float = Field(default=1.0, ge=0)

    def target_loss(self, unknown: Tensor) -> Tensor:
        """The loss, a scalar, of raw outputs (B, C) or (B, C, h, w) for a target batch."""
        raise NotImplementedError

    def build(self, target: Unlabelled) -> None:
        super().build(target)
        self.networks["watch"] = self.watch = CollapseWatch(self.model)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.model(torch.cat([source.x, target.x])).split([len(source), len(target)])
        self.observe_source(known, source.y, progress)
        self.observe_target(unknown.softmax(1))
        label, penalty = self.task.loss(known, source.y), self.target_loss(unknown)
        terms: dict[str, Terms] = {
            "label": (1.0, label),
            self.term: (self.weight * self.burn_in.weight(progress), penalty),
        }
        yield Update(of=(self.model,), **terms)
