"""Base class of the methods that learn from their own predictions: they start after a burn-in."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...data.domains import Unlabelled
from ...settings import settings
from ...training.loop import Progress
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
