"""ADDA: a separate target encoder, trained so that a critic takes its features for source features."""

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
    """Adversarial discriminative domain adaptation: trains a separate target encoder against a domain critic.

    Supports all tasks. The training has two phases. In the first phase the model learns the source. In the second phase
    its feature extractor is frozen, and a copy of it (the target encoder) learns from target images alone. The encoder
    is trained so that the critic classifies its features as source (inverted labels, as for the generator of a GAN).
    Critic and encoder are updated alternately. The final model is the target encoder with the source's head. It serves
    the target only.

    No label constrains the encoder. It can therefore drift and exchange classes, the more so if the class balance
    differs between the domains. `pretrain` and `ratio` keep the second phase short and slow. From MNIST to USPS, 200
    steps of the second phase cost 1 percentage point with a ratio of 0.02. With a ratio of 0.1 the model became
    useless. Check the label-free scores before you use the model.

    Differences from the paper: the paper trains both phases to their end, each with its own schedule. Here they share
    the steps. The encoder is updated after the critic, on the same batch.

    References:
        Tzeng, Hoffman, Saenko & Darrell (2017). Adversarial Discriminative Domain Adaptation. CVPR. arXiv:1702.05464.

    Args:
        critic: widths of the critic's hidden layers (500, 500 in the paper).
        pretrain: share of the steps in the first phase.
        ratio: learning rate of the second phase divided by `rate`. The schedule restarts with the second phase.
    """

    critic: tuple[int, ...] = (128, 128)
    pretrain: float = Field(default=0.5, gt=0, lt=1)
    ratio: float = Field(default=0.02, gt=0, le=1)
    default_randomization: ClassVar[str | None] = "full"
    adapts_features: ClassVar[bool] = True

    def build(self, target: Unlabelled) -> None:
        self.adapted = copy.deepcopy(self.model)
        self.adapted.head = self.model.head
        self.encoder = self.adapted.features
        self.domain_critic = mlp(self.model.width, self.critic, 1)
        self.networks |= {"encoder": self.encoder, "critic": self.domain_critic}

    def latest(self) -> Model:
        return self.adapted

    def phase(self, progress: Progress) -> tuple[bool, Progress]:
        """Whether the first phase is running, and the progress within the current phase."""
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
            self.encoder.load_state_dict(self.model.features.state_dict())  # start of the second phase
            return
        self.model.eval()  # the source's feature extractor is fixed, with its dropout and its batch statistics
        with torch.no_grad():
            theirs = self.model.features(source.x)
        ours = self.encoder(target.x)
        domain = domain_loss(self.domain_critic(torch.cat([theirs, ours.detach()])), len(source))
        yield Update(of=(self.domain_critic,), domain=(1.0, domain))
        deceive = domain_loss(self.domain_critic(ours), len(target))  # inverted: target features with the label source
        yield Update(of=(self.encoder,), deceive=(1.0, deceive))
