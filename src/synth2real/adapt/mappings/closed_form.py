"""Base of linear classifiers in closed form: they are fitted before the training loop and become the model's head."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import ClassVar, Self

import torch
from pydantic import Field
from scipy.sparse import hstack
from torch import Tensor, nn

from ...data.domains import Inputs, Labelled, Unlabelled
from ...data.sparse import Sparse
from ...errors import InputError
from ...settings import settings
from ...tasks import Classification
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ...training.model import Model
from ..base import Objective

NEVER = -1e4  # logit of a class without source samples


@settings
class ClosedForm(Objective):
    """A linear classifier for feature vectors. Each method implements `solve`, which fits it."""

    name: ClassVar[str]
    takes_frozen: ClassVar[bool] = False  # whether it classifies images by the features of a frozen network, too
    bottleneck: int | None = Field(default=0, ge=0, le=0)  # nothing is trained
    decay: float = Field(default=0.0, ge=0, le=0)  # solved, not trained: there is nothing to average
    finished: ClassVar[bool] = True  # the training loop has nothing to do

    def fresh(self, shape: tuple[int, ...] | None = None) -> Self:
        if shape is None or len(shape) == 3:
            return super().fresh(shape)
        return dataclasses.replace(self, network="linear", statistics="none")

    def refuse(self) -> None:
        if not isinstance(self.task, Classification):
            raise InputError(
                f"adapt {self.name} classifies, found the task {self.task.kind}. Choose --adapt source-only, or "
                "after a mapping --set adapt.then=source-only"
            )
        images = len(self.model.shape) == 3
        if images and self.takes_frozen and self.model.description["tune"] != "frozen":
            raise InputError(
                f"adapt {self.name} needs features, or images with a frozen network, found a network that is trained. "
                "Choose a pretrained one: --network efficientnet-lite0 (with --set adapt.tune=frozen on a GPU)"
            )
        if images and not self.takes_frozen:
            raise InputError(
                f"adapt {self.name} needs features, found images of shape {self.model.shape}. "
                "Choose --adapt source-only"
            )

    def inputs_of(self, domain: Labelled | Unlabelled) -> Inputs:
        """The features that the head takes: the inputs, and beside them the given columns with their embedding."""
        given = self.model.of_given(domain)
        if given is None:
            return domain.inputs
        if isinstance(domain.inputs, Sparse):
            return Sparse(hstack([domain.inputs.matrix, given.numpy()]))
        return torch.cat([dense(domain.inputs), given], 1)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        yield from ()


def dense(inputs: Inputs) -> Tensor:
    """All features of a domain, (N, F) float32. A float32 tensor in memory is not copied."""
    return inputs.float() if isinstance(inputs, Tensor) else inputs[torch.arange(len(inputs))].float()


def of_every_class(weights: Tensor, bias: Tensor, found: Sequence[int], classes: int) -> tuple[Tensor, Tensor]:
    """A linear classifier of scikit-learn as weights (C, F) and bias (C,) of all C classes.

    Args:
        weights, bias: of one hyperplane for each class found, or of one for two classes.
        found: indices of the classes that the training data has; the others are never predicted.
        classes: C.
    """
    if len(weights) == 1:
        weights, bias = torch.cat([-weights, weights]) / 2, torch.cat([-bias, bias]) / 2
    shown = torch.as_tensor(found)
    every = torch.zeros(classes, weights.shape[1]).index_copy(0, shown, weights)
    return every, torch.full((classes,), NEVER).index_copy(0, shown, bias)


def write_head(model: Model, weights: Tensor, bias: Tensor) -> None:
    """Write a linear classifier, weights (C, F) and bias (C,), into the head of a model that has no other layer."""
    layer = next(module for module in model.head.modules() if isinstance(module, nn.Linear))
    layer.weight.data.copy_(weights)
    layer.bias.data.copy_(bias)
