"""Entropy minimisation: training makes the predictions on the target certain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field

from ...data.domains import Unlabelled
from ...measure.discrepancies import entropy
from ...networks.dense import rows
from ...settings import settings
from ...training.collapse import CollapseWatch
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..shared.task_checks import needs_classes
from .base import SelfTrained


@settings
class EntropyMinimisation(SelfTrained):
    """Entropy minimisation: the predictions on the target become certain, so decisions move away from its samples.

    For classes and masks. The loss on the target is the mean entropy of the predicted probabilities, divided by the
    logarithm of the number of classes; of masks, over all points of the maps. The method needs no second network. It
    confirms what the model already predicts, so it harms where most predictions are wrong.

    Difference from the paper: the loss starts after a burn-in (`BurnIn`), and a collapse stops the training
    (`CollapseWatch`).

    References:
        Grandvalet & Bengio (2004). Semi-supervised Learning by Entropy Minimization. NeurIPS.
        Vu, Jain, Bucher, Cord & Perez (2019). ADVENT: Adversarial Entropy Minimization for Domain Adaptation in
            Semantic Segmentation. CVPR. arXiv:1811.12833 (masks: MinEnt).

    Args:
        weight: weight of the entropy (0.001 in the paper, for a loss that is the sum over the pixels).
    """

    weight: float = Field(default=0.1, ge=0)
    default_randomization: ClassVar[str | None] = "full"
    assumes_source_balance: ClassVar[bool] = False
    serves_maps: ClassVar[bool] = True

    def refuse(self) -> None:
        needs_classes(self, self.task, "makes class probabilities certain", of_pixels=True)

    def build(self, target: Unlabelled) -> None:
        super().build(target)
        self.networks["watch"] = self.watch = CollapseWatch(self.model)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.model(torch.cat([source.x, target.x])).split([len(source), len(target)])
        self.observe_source(known, source.y, progress)
        probabilities = unknown.softmax(1)
        self.observe_target(probabilities)
        label = self.task.loss(known, source.y)
        doubt = entropy(rows(probabilities)).mean() / math.log(self.task.outputs)
        weight = self.weight * self.burn_in.weight(progress)
        yield Update(of=(self.model,), label=(1.0, label), entropy=(weight, doubt))
