"""CycleGAN: there and back again must lead to the image one began with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.adversarial import History, Translator, slope, square_loss
from ..networks.layers import PatchCritic
from ..settings import settings
from ..training.loop import Progress, SourceBatch, TargetBatch, Update
from .base import Translation


@settings
class CycleGAN(Translation):
    """Unpaired image-to-image translation by cycle-consistent adversarial networks.

    One translator makes source images look like the target's, another leads back, and each has a critic of patches.
    What comes back must be the image that left, so nothing of it may be lost on the way. It can cross wider gaps than
    SimGAN, and it can move labels: look at what it makes.

    References:
        Zhu, Park, Isola & Efros (2017). ICCV. arXiv:1703.10593.

    Args:
        steps, maps, blocks, smoothness, rate: as in `Translation`.
        history: as there, for each critic (50 in the paper).
        cycle: weight of the L1 distance after there and back (10 in the paper, on images in -1..1; on digits it
            held the translator at the identity).
        identity: weight of the L1 distance of target images from their own translation, which keeps colours (half of
            `cycle` in the paper, where it is used).
    """

    name: ClassVar[str] = "cyclegan"

    cycle: float = Field(default=3.0, ge=0)
    identity: float = Field(default=0.5, ge=0)

    def build(self, shape: tuple[int, ...]) -> None:
        self.refiner, self.back = (Translator(shape[0], self.maps, self.blocks) for _ in range(2))
        self.critic, self.back_critic = (PatchCritic(shape[0]) for _ in range(2))
        self.past, self.back_past = (History(self.history, shape) for _ in range(2))
        self.networks = {
            "refiner": self.refiner,
            "back": self.back,
            "critic": self.critic,
            "back_critic": self.back_critic,
            "history": self.past,
            "back_history": self.back_past,
        }

    def critic_loss(self, critic: nn.Module, past: History, made: Tensor, real: Tensor) -> Tensor:
        """A critic's error on translated images, half of them older ones, and on real ones."""
        return (square_loss(critic(past.mix(made)), real=False) + square_loss(critic(real), real=True)) / 2

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        x, y = source.clean, target.clean
        as_target, as_source = self.refiner(x), self.back(y)
        yield Update(
            of=(self.refiner, self.back),
            realism=(
                1.0,
                square_loss(self.critic(as_target), real=True) + square_loss(self.back_critic(as_source), real=True),
            ),
            cycle=(self.cycle, F.l1_loss(self.back(as_target), x) + F.l1_loss(self.refiner(as_source), y)),
            identity=(self.identity, F.l1_loss(self.refiner(y), y) + F.l1_loss(self.back(x), x)),
        )
        yield Update(
            of=(self.critic, self.back_critic),
            critic=(
                1.0,
                self.critic_loss(self.critic, self.past, as_target.detach(), y)
                + self.critic_loss(self.back_critic, self.back_past, as_source.detach(), x),
            ),
            slope=(self.smoothness, slope(self.critic, y) + slope(self.back_critic, x)),
        )
