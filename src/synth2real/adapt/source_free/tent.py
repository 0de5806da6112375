"""TENT: minimises the entropy of the predictions on the target, by training the normalisation layers only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...data.domains import Unlabelled
from ...errors import InputError
from ...measure.discrepancies import entropy
from ...settings import settings
from ...training.collapse import CollapseWatch
from ...training.loop import Loop, Progress, SourceBatch, TargetBatch, Trainer, Update
from ...training.model import Model
from ..shared.batch_norm import norms, take_statistics
from .base import SourceFree

NORMALISATIONS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm1d, nn.InstanceNorm2d)


@settings
class TENT(SourceFree):
    """Test-time entropy minimisation: trains only the affine parameters of the normalisation layers, on the target.

    The method needs no source data. The trained parameters are so few that the model forgets little. However, entropy
    minimisation has a trivial solution: one class for all samples. The method therefore reduces accuracy if the
    model makes many errors (from USPS to MNIST, where SHOT helps). For the same reason, the default of `passes` is
    small. Layers that normalise over the batch also adopt the target's statistics.

    Differences from the paper: the paper adapts while it predicts, batch by batch. Here the model is first adapted in a
    pass over the target and then fixed. The prediction for an image therefore does not depend on the images before it.
    The paper trains batch normalisation. Here layers of other normalisations are trained, too.

    References:
        Wang, Shelhamer, Liu, Olshausen & Darrell (2021). Tent: fully test-time adaptation by entropy minimization.
        ICLR.

    Args:
        passes: passes over the target (1 in the paper).
        rate: learning rate of Adam (1e-3 in the paper).
        schedule: as in `Learner`; `constant` in the paper, because the stream of images has no end.
    """

    name: ClassVar[str] = "tent"

    passes: int = Field(default=1, gt=0)
    schedule: Literal["cosine", "dann", "constant"] = "constant"
    weight_decay: float = Field(default=0.0, ge=0)

    def build(self, target: Unlabelled) -> None:
        self.target = target
        scales = [
            parameter
            for layer in self.model.modules()
            if isinstance(layer, NORMALISATIONS)
            for parameter in layer.parameters(recurse=False)
            if parameter.requires_grad
        ]
        self.model.requires_grad_(False)
        if not scales:
            raise InputError(
                "tent trains the affine parameters of normalisation layers, but the model's network '"
                f"{self.model.description['network']}' has none, expected one such as convolutional. Adapt it with shot"
            )
        for parameter in scales:
            parameter.requires_grad_(True)
        self.networks["watch"] = self.watch = CollapseWatch(self.model)

    def trainer(self, model: Model, target: Unlabelled, loop: Loop) -> Trainer:
        # With channels last, the backward pass of torch's GroupNorm to a frozen layer crashes the process.
        return super().trainer(model, target, replace(loop, hardware=replace(loop.hardware, channels_last=False)))

    def shipped(self) -> Model:
        # While it trains, a layer normalises by its batch, and its running statistics follow the target only in part.
        if norms(self.model):
            take_statistics(self.model, self.model.inputs_of(self.target), "batches")
        return self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        self.model.eval()  # layers that are not trained have no dropout
        for norm in norms(self.model):
            norm.train()  # normalises by the statistics of the batch
        # A copy, because grey images in channels last count as contiguous, too, and are then not changed.
        x = target.x.clone(memory_format=torch.contiguous_format)
        probabilities = self.model(x).softmax(1)
        self.observe_target(probabilities)
        yield Update(of=(self.model,), entropy=(1.0, entropy(probabilities).mean()))
