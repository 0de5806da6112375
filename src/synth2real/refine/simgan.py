"""SimGAN: a refiner makes synthetic images look real to a local critic, and keeps close to what they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ..domains import Labelled, Unlabelled, to_float
from ..errors import InputError
from ..mapping import Mapping
from ..networks import PatchCritic, Refiner
from ..settings import settings
from ..training import Game, Loop, Progress, Report, SourceBatch, TargetBatch, Trainer, Update


class History(nn.Module):
    """Buffer of refined images, of which half of each critic batch is drawn, so that the refiner cannot cycle.

    Args:
        count: images held.
        shape: (C, H, W) of one.
    """

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.images: Tensor
        self.filled: Tensor
        self.register_buffer("images", torch.zeros(count, *shape))
        self.register_buffer("filled", torch.tensor(0))

    def mix(self, refined: Tensor) -> Tensor:
        """`refined` (B, C, H, W) with a random half exchanged for older images; half of the new ones are kept."""
        half, filled = len(refined) // 2, int(self.filled)
        mixed = refined.clone()
        if filled >= half:
            mixed[:half] = self.images[torch.randperm(filled)[:half]]
        room = min(half, len(self.images) - filled)
        where = torch.cat([torch.arange(filled, filled + room), torch.randperm(max(filled, 1))[: half - room]])
        self.images[where] = refined[-len(where) :] if len(where) else refined[:0]
        self.filled += room
        return mixed


@settings
class SimGAN(Mapping, Game):
    """Learning from simulated and unsupervised images through adversarial training.

    All three parts of the paper: an adversarial loss for each patch (so that the refiner may change how things look,
    not where they are), a history of refined images for the critic, and self-regularisation, the L1 distance of the
    refined image from the synthetic one, which keeps the label.

    Deformations of shape are out of its reach by design: it mends texture, contrast and noise.

    References:
        Shrivastava, Pfister, Tuzel, Susskind, Wang & Webb (2017). CVPR. arXiv:1612.07828.

    Args:
        steps: of training, each one update of the refiner.
        regularisation: weight of the self-regularisation loss, on images in 0..1.
        refiner_updates: updates of the refiner for each of the critic (K_g; 50 in the paper).
        pretrain: share of the steps in which the refiner learns the identity and the critic learns alone.
        history: refined images in the buffer; 0 for none.
        maps, blocks: size of the refiner (64 and 4 in the paper; less by default, since a processor without
            accelerator pays three times as much for the same digits).
        smoothness: weight of the squared slope of the critic at real images. The paper has none; on small images it
            keeps the critic from becoming so sure that the refiner can only flee from it, away from the label.
        rate: learning rate of both networks.
    """

    steps: int = Field(default=400, ge=1)
    regularisation: float = Field(default=1.0, ge=0)
    refiner_updates: int = Field(default=1, ge=1)
    pretrain: float = Field(default=0.15, ge=0, lt=1)
    history: int = Field(default=1024, ge=0)
    maps: int = Field(default=32, ge=1)
    blocks: int = Field(default=2, ge=1)
    smoothness: float = Field(default=0.02, ge=0)
    rate: float = Field(default=5e-4, gt=0)

    def check(self, source: Labelled) -> None:
        if len(source.shape) != 3:
            raise InputError(f"refine simgan needs images, found features of shape {source.shape}")

    def fit(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None = None) -> Self:
        self.check(source)
        self.prepare(source.shape, loop)
        loop = Loop(steps=self.steps, batch=loop.batch, seed=loop.seed, hardware=loop.hardware)
        Trainer(self, source, target, loop).run(report)
        return self

    def prepare(self, shape: tuple[int, ...], loop: Loop) -> None:
        """Build the networks for images of `shape` (C, H, W)."""
        with torch.random.fork_rng([]):
            torch.manual_seed(loop.seed)
            self.refiner = Refiner(shape[0], self.maps, self.blocks)
            self.critic = PatchCritic(shape[0])
        self.networks = {"refiner": self.refiner, "critic": self.critic}
        if self.history:
            self.past = History(self.history, shape)
            self.networks["history"] = self.past

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=self.rate, betas=(0.5, 0.999))

    def realism_loss(self, refined: Tensor) -> Tensor:
        """How far each patch is from passing for real."""
        return patch_loss(self.critic(refined), real=True)

    def critic_loss(self, refined: Tensor, real: Tensor) -> Tensor:
        """The critic's error on refined patches (half of the images from the history) and on real ones."""
        refined = self.past.mix(refined) if self.history else refined
        return (patch_loss(self.critic(refined), real=False) + patch_loss(self.critic(real), real=True)) / 2

    def slope(self, real: Tensor) -> Tensor:
        """Mean squared norm of the critic's gradient at real images (R1, Mescheder, Geiger & Nowozin 2018)."""
        real = real.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.critic(real).sum(), real, create_graph=True)
        return gradient.square().sum((1, 2, 3)).mean()

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        learns_alone = progress.fraction < self.pretrain
        refined = self.refiner(source.clean)
        closeness = F.l1_loss(refined, source.clean)
        realism = self.realism_loss(refined)
        yield Update(
            of=(self.refiner,),
            realism=(0.0 if learns_alone else 1.0, realism),
            closeness=(self.regularisation, closeness),
        )
        if progress.step % self.refiner_updates == 0 or learns_alone:
            yield Update(
                of=(self.critic,),
                critic=(1.0, self.critic_loss(refined.detach(), target.clean)),
                slope=(self.smoothness, self.slope(target.clean)),
            )

    @torch.no_grad()
    def transform(self, x: Tensor) -> Tensor:
        parts = []
        device = next(self.refiner.parameters()).device
        for part in x.split(256):
            refined = self.refiner(to_float(part.to(device))).cpu()
            parts.append((refined * 255).round().to(torch.uint8) if x.dtype == torch.uint8 else refined)
        return torch.cat(parts).contiguous()


def patch_loss(logits: Tensor, real: bool) -> Tensor:
    """Cross entropy of patch logits (N, 1, h, w) where every patch is real, or none is."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))
