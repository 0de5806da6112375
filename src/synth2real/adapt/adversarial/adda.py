"""ADDA: an encoder of the target's own, trained to deceive a critic that knows the source's features."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field

from ...data.domains import Unlabelled
from ...networks.layers import mlp
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ...training.model import Model
from ..base import Objective
from ..shared.reversal import domain_loss


@settings
class ADDA(Objective):
    """Adversarial discriminative domain adaptation, for every task.

    First the model learns the source. Then its features stay as they are, and a copy of its encoder learns from target
    images alone to make features that the critic takes for the source's (with inverted labels, as a GAN's generator);
    critic and encoder take turns. What is shipped is that encoder with the source's head: it serves the target only.

    Nothing ties the encoder to the labels, so it drifts and exchanges classes, the more so where the class balance of
    the domains differs; `pretrain` and `ratio` keep its phase short and slow. From MNIST to USPS 200 steps of it lost
    1 point with a ratio of 0.02, and everything with 0.1: look at the label-free scores before you ship it.

    References:
        Tzeng, Hoffman, Saenko & Darrell (2017). Adversarial Discriminative Domain Adaptation. CVPR. arXiv:1702.05464.

    Args:
        critic: widths of the critic's hidden layers (500, 500 in the paper).
        pretrain: share of the steps that learn the source.
        ratio: learning rate of the second phase over `rate`; the schedule starts anew with it.
    """

    critic: tuple[int, ...] = (128, 128)
    pretrain: float = Field(default=0.5, gt=0, lt=1)
    ratio: float = Field(default=0.02, gt=0, le=1)
    default_randomization: ClassVar[str | None] = "full"
    adapts_extractor: ClassVar[bool] = True

    def build(self, target: Unlabelled) -> None:
        self.adapted = copy.deepcopy(self.model)
        self.adapted.head = self.model.head
        self.encoder = self.adapted.features
        self.domain_critic = mlp(self.model.width, self.critic, 1)
        self.networks |= {"encoder": self.encoder, "critic": self.domain_critic}

    def shipped(self) -> Model:
        return self.adapted

    def phase(self, progress: Progress) -> tuple[bool, Progress]:
        """Whether the source is still being learnt, and the progress within the present phase."""
        first = max(1, round(self.pretrain * progress.steps))
        if progress.step < first:
            return True, Progress(progress.step, first)
        return False, Progress(progress.step - first, progress.steps - first)

    def learning_rate(self, progress: Progress) -> float:
        pretraining, within = self.phase(progress)
        return super().learning_rate(within) * (1 if pretraining else self.ratio)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        if self.phase(progress)[0]:
            yield Update(of=(self.model,), label=(1.0, self.task.loss(self.model(source.x), source.y)))
            self.encoder.load_state_dict(self.model.features.state_dict())  # where its own training starts from
            return
        with torch.no_grad():
            theirs = self.model.features(source.x)
        ours = self.encoder(target.x)
        domain = domain_loss(self.domain_critic(torch.cat([theirs, ours.detach()])), len(source))
        yield Update(of=(self.domain_critic,), domain=(1.0, domain))
        deceive = domain_loss(self.domain_critic(ours), len(target))  # all of them called source
        yield Update(of=(self.encoder,), deceive=(1.0, deceive))
