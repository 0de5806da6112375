"""Mapping: what changes inputs of the source so that they look like the target's, and keeps their labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from .domains import Labelled, Unlabelled
from .training import Loop, Report


class Mapping(ABC):
    """Learns from both domains, then maps source inputs.

    Image to image it is a refiner, features to features an explicit mapping; both stand in the same place of a route.
    """

    def check(self, source: Labelled) -> None:  # noqa: B027  (most serve all)
        """Raise `InputError` where the mapping does not serve inputs like these."""

    @abstractmethod
    def fit(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None = None) -> Self:
        """Learn the mapping.

        Args:
            source: its labels are there for methods that keep classes apart.
            target: the inputs to look like.
            loop: seed, hardware, and the steps for methods that take steps.
            report: called with a step and the means of the losses.
        """

    @abstractmethod
    def transform(self, x: Tensor) -> Tensor:
        """Mapped inputs (N, ...) of the shape, dtype and range of `x`."""
