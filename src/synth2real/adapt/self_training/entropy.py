"""Entropy minimisation: training makes the predictions on the target certain."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ...measure.discrepancies import entropy
from ...networks.dense import rows
from ...settings import settings
from ..shared.task_checks import needs_classes
from .base import PredictionLoss


@settings
class EntropyMinimisation(PredictionLoss):
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
    term: ClassVar[str] = "entropy"
    serves_maps: ClassVar[bool] = True

    def refuse(self) -> None:
        needs_classes(self, self.task, "makes class probabilities certain", of_pixels=True)

    def target_loss(self, unknown: Tensor) -> Tensor:
        return entropy(rows(unknown.softmax(1))).mean() / math.log(self.task.outputs)
