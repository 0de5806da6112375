"""Pseudo-labels: what a teacher's labels for classes and for values have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from ...tasks import Task
from ...training.collapse import CollapseWatch
from ...training.loop import Progress, SourceBatch, TargetBatch
from ...training.model import Model


class PseudoLabels(ABC):
    """A teacher's labels for the target, the weight of each, and what limits the harm that wrong labels do.

    Args:
        task: the task of the student.
    """

    watch: CollapseWatch | None = None
    networks: dict[str, nn.Module]  # the state that is saved with the training

    def __init__(self, task: Task) -> None:
        self.task = task

    def loss(
        self,
        teacher: Model,
        source: SourceBatch,
        known: Tensor,
        target: TargetBatch,
        unknown: Tensor,
        progress: Progress,
    ) -> Tensor:
        """Loss of the student on the target, a scalar. `known` and `unknown` (B, O) are its raw outputs per domain."""
        with torch.no_grad():
            self.observe(known, source, unknown, progress)
            labels, weights = self.labels(teacher, known, target)
        return (weights * self.losses(unknown, labels)).mean()

    def losses(self, unknown: Tensor, labels: Any) -> Tensor:
        """Losses (B,) of the student on the target; by default those of the task."""
        return self.task.losses(unknown, labels)

    def need(self, label: Tensor, pseudo: Tensor) -> float | Tensor:
        """Factor of the loss on the target, from the student's losses on source and target; 1 by default."""
        return 1.0

    def observe(self, known: Tensor, source: SourceBatch, unknown: Tensor, progress: Progress) -> None:  # noqa: B027
        """Take the student's raw outputs for both domains. Does nothing by default."""

    def student(self, source: SourceBatch, target: TargetBatch) -> Tensor:
        """The inputs of the student from the target; by default the randomized ones."""
        return target.x

    @abstractmethod
    def labels(self, teacher: Model, known: Tensor, target: TargetBatch) -> tuple[Any, Tensor]:
        """The teacher's labels for the images of the student, and a weight (B,) of each; see the subclasses."""

    def after_step(self, teacher: Model, progress: Progress, started: bool = True) -> None:  # noqa: B027
        """Called once per step; `started` says whether self-training has. Does nothing by default."""

    def shipped(self, teacher: Model) -> Model:
        """The model to keep after the training: the teacher, by default."""
        return teacher

    @property
    def finished(self) -> bool:
        """Whether the training must end, for another reason than the `watch`."""
        return False

    def notes(self) -> list[str]:
        """What the user must know about the training, besides the notes of the `watch`."""
        return []
