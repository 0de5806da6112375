"""SHOT: the target's features are moved to where a frozen head knows the classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ...data.domains import Unlabelled
from ...measure.discrepancies import entropy
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from .base import SourceFree


class Labels(nn.Module):
    """A class for each sample of the target, saved with the training."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.classes: Tensor
        self.register_buffer("classes", torch.zeros(count, dtype=torch.int64))


@settings
class SHOT(SourceFree):
    """Source hypothesis transfer: adapts a trained classifier to the target, without a source.

    The head stays as it is. The features learn to make each prediction certain and all of them together diverse
    (information maximisation), and to agree with pseudo-labels: once a pass, each target sample is given the class of
    the nearest centroid of the features, by cosine.

    It harms where the target's class balance is far from even, since it asks for diverse predictions.

    Departs from the paper: the model is any trained one, not one with a weight-normalised head and smoothed labels.

    References:
        Liang, Hu & Feng (2020). Do we really need to access the source data? Source hypothesis transfer for
        unsupervised domain adaptation. ICML.

    Args:
        passes: over the target (15 in the paper, 30 for digits).
        pseudo: weight of the pseudo-labels (0.3 in the paper, 0.1 in its code for digits, where it is better here).
        diversity: weight of the mean prediction's entropy (1 in the paper).
    """

    name: ClassVar[str] = "shot"

    passes: int = Field(default=15, gt=0)
    pseudo: float = Field(default=0.1, ge=0)
    diversity: float = Field(default=1.0, ge=0)

    def build(self, target: Unlabelled) -> None:
        self.model.head.requires_grad_(False)
        self.target = target.inputs
        self.labels = Labels(len(target))
        self.networks["labels"] = self.labels

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        assert target.index is not None
        if progress.step % -(-len(self.target) // len(target)) == 0:
            self.relabel()
        outputs = self.model(target.x)
        probabilities = outputs.softmax(1)
        labels = self.labels.classes[target.index.to(outputs.device)]
        yield Update(
            of=(self.model,),
            certainty=(1.0, entropy(probabilities).mean()),
            diversity=(-self.diversity, entropy(probabilities.mean(0, keepdim=True)).mean()),
            pseudo=(self.pseudo, F.cross_entropy(outputs, labels)),
        )

    @torch.no_grad()
    def relabel(self) -> None:
        """Give each target sample the class of its nearest centroid, twice over, as the paper does."""
        features = self.model.embed(self.target)
        device = self.labels.classes.device
        said = torch.cat([self.model.head(part.to(device)).float().cpu() for part in features.split(4096)]).softmax(1)
        self.labels.classes.copy_(by_centroids(features, said))
        self.model.train()  # `embed` has put it to evaluation


def by_centroids(features: Tensor, said: Tensor) -> Tensor:
    """Classes (N,) int64 of features (N, F) by the nearest centroid, by cosine; `said` (N, C) are probabilities.

    The first centroids weigh every sample by what is said of it, the second are those of the classes so found. Classes
    that are said of no sample attract none.
    """
    features, shares = F.normalize(features), said
    for _ in range(2):
        centroids = F.normalize(shares.T @ features)
        near = features @ centroids.T
        near[:, said.argmax(1).bincount(minlength=said.shape[1]) == 0] = -torch.inf
        shares = F.one_hot(near.argmax(1), said.shape[1]).to(features)
    return near.argmax(1)
