"""Widen: domain randomization in the simulator, by wider ranges of its parameters."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..settings import settings

if TYPE_CHECKING:
    from ..simulate.base import Simulator
    from .automatic import Learner


@settings
class Widen:
    """Domain randomization in the simulator: widens the range of every parameter around its centre.

    Args:
        factor: new width of each range, in units of the old width, at least 1.
    """

    factor: Annotated[float, Field(ge=1)] = 1.5

    def __call__(self, simulator: "Simulator", learner: "Learner | None" = None) -> "Simulator":
        """The same simulator with wider ranges. The learner is not used."""
        return simulator.widened(self.factor)
