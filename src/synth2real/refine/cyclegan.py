"""CycleGAN: a translation to the other domain and back must return the original image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.adversarial import Translator, slope, square_loss
from ..networks.layers import PatchCritic
from ..settings import settings
from ..training.loop import Progress, SourceBatch, TargetBatch, Update
from .base import Translation
from .history import History


@settings
class CycleGAN(Translation):
    """Cycle-consistent adversarial networks: unpaired translation that can be reversed to the original image.

    One translator makes source images look like target images. A second translator maps target images to the source.
    Each has a critic of patches. A translation to the other domain and back must return the original image, so no
    information may be lost. The method can close wider gaps than SimGAN. It can also displace labels, so check the
    refined images.

    Differences from the paper: a translator predicts a change of its input, and networks are smaller. Half of a
    critic's batch comes from the history, while the paper takes each image from it with a probability of one half.

    References:
        Zhu, Park, Isola & Efros (2017). ICCV. arXiv:1703.10593.

    Args:
        steps, crop, maps, blocks, smoothness, rate, reject: as in `Translation`.
        history: as in `Translation`, for each critic (50 in the paper).
        cycle: weight of the L1 distance after both translations (10 in the paper, on images in -1..1; on digits this
            value kept the translator at the identity).
        identity: weight of the L1 distance of target images from their own translation, which preserves colours (half
            of `cycle` in the paper, where it is used).
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
        """Loss of a critic on translated images, half of them from the history, and on real images."""
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
