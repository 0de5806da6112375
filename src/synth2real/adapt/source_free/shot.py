"""SHOT: the features are adapted to the target with a frozen head."""

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
from ...training.collapse import CollapseWatch
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from .base import SourceFree


class Labels(nn.Module):
    """One class for each target sample. They are saved with the training state."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.classes: Tensor
        self.register_buffer("classes", torch.zeros(count, dtype=torch.int64))


@settings
class SHOT(SourceFree):
    """Source hypothesis transfer: adapts the features of a trained classifier to the target, with a frozen head.

    The method needs no source data. The features learn to make each prediction confident and all predictions together
    diverse (information maximisation). They also learn to agree with pseudo-labels. Once per pass over the target, each
    target sample gets the class of the nearest centroid of the features, by cosine similarity.

    It reduces accuracy if the target's class balance is far from uniform, because the loss rewards diverse predictions.

    Differences from the paper: the model can be any trained classifier, while the paper needs a weight-normalised head
    and smoothed labels. The optimiser is AdamW with one rate and a cosine schedule. The paper uses gradient descent
    with DANN's schedule and a tenth of the rate for the pretrained layers. The authors' code adds a constant to the
    features before it measures angles.

    References:
        Liang, Hu & Feng (2020). Do we really need to access the source data? Source hypothesis transfer for
        unsupervised domain adaptation. ICML.

    Args:
        passes: passes over the target (15 in the paper, 30 for digits).
        pseudo: weight of the pseudo-labels (0.3 in the paper; 0.1 in its code for digits, which works better here).
        diversity: weight of the entropy of the mean prediction (1 in the paper).
    """

    name: ClassVar[str] = "shot"

    passes: int = Field(default=15, gt=0)
    pseudo: float = Field(default=0.1, ge=0)
    diversity: float = Field(default=1.0, ge=0)

    def build(self, target: Unlabelled) -> None:
        self.model.head.requires_grad_(False)
        self.target = self.model.inputs_of(target)
        self.labels = Labels(len(target))
        self.networks["labels"] = self.labels
        self.networks["watch"] = self.watch = CollapseWatch(self.model)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        assert target.index is not None
        if progress.step % -(-len(self.target) // len(target)) == 0:
            self.relabel()
        self.model.train()
        self.model.head.eval()  # it is frozen, so it has no dropout, as in the paper
        outputs = self.model(target.x)
        probabilities = outputs.softmax(1)
        self.observe_target(probabilities)
        labels = self.labels.classes[target.index.to(outputs.device)]
        yield Update(
            of=(self.model,),
            certainty=(1.0, entropy(probabilities).mean()),
            diversity=(-self.diversity, entropy(probabilities.mean(0, keepdim=True)).mean()),
            pseudo=(self.pseudo, F.cross_entropy(outputs, labels)),
        )

    @torch.no_grad()
    def relabel(self) -> None:
        """Give each target sample the class of its nearest centroid, in two rounds as in the paper."""
        features = self.model.embed(self.target)
        device = self.labels.classes.device
        outputs = torch.cat([self.model.head(part.to(device)).float().cpu() for part in features.split(4096)])
        self.labels.classes.copy_(by_centroids(features, outputs.softmax(1)))


def by_centroids(features: Tensor, probabilities: Tensor) -> Tensor:
    """Classes (N,) int64 of features (N, F) by the nearest centroid, by cosine similarity.

    In the first round each sample contributes to the centroid of a class in proportion to its predicted probability.
    The second round uses the classes from the first round. A class that no sample has before a round is assigned to no
    sample in it.

    Args:
        probabilities: (N, C) predicted probabilities.
    """
    features, shares = F.normalize(features), probabilities
    classes = probabilities.shape[1]
    for _ in range(2):
        unused = shares.argmax(1).bincount(minlength=classes) == 0
        centroids = F.normalize(shares.T @ features)
        near = features @ centroids.T
        near[:, unused] = -torch.inf
        shares = F.one_hot(near.argmax(1), classes).to(features)
    return near.argmax(1)
