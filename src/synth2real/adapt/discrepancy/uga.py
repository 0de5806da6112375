"""UGA: training aligns features that also predict the uncertainty of each prediction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ...data.domains import Unlabelled
from ...measure.discrepancies import mmd, squared_distances
from ...networks.layers import mlp
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..base import Objective
from ..shared.reversal import rise

SMALL = 1e-5  # added to the parameters of the uncertainty, which must be positive


@settings
class UGA(Objective):
    """Uncertainty-guided alignment: aligns features of which a second head predicts the uncertainty of the prediction.

    Regression uses few directions of the features, so an alignment of all of them is guided by little. The features
    therefore also predict an uncertainty, by deep evidential regression: the parameters of a normal-inverse-gamma
    distribution for each sample, learnt by maximum likelihood, with a penalty on evidence for wrong predictions. The
    MMD between the domains is minimised on these features. A second MMD compares the source with mixed features: those
    of each target sample are mixed with those of a sample of either domain that has a similar prediction. The method is
    made for values, points and gaze. It also serves classes.

    Differences from the paper: there is one uncertainty for each sample instead of each value. It is that of the task's
    loss, which takes the place of the squared error, so every task is served. The paper's evidential loss replaces the
    label loss; here it is added to it. Both weights are multiplied by `unit`, as in `DANN`. Samples to mix are compared
    by the predictions for both domains, not by the labels of the source. Of the paper's two alignments this is the one
    of the features, the default of the authors' code; the other one aligns the parameters of the uncertainty.

    References:
        Nejjar, Frusque, Forest & Fink (2024). Uncertainty-Guided Alignment for Unsupervised Domain Adaptation in
        Regression. arXiv:2401.13721.
        Amini, Schwarting, Soleimany & Rus (2020). Deep Evidential Regression. NeurIPS. arXiv:1910.02600.

    Args:
        weight: weight of the two MMDs at full strength (1 in the paper). It rises as in `DANN`.
        evidence: weight of the evidential loss (1 in the paper).
        similarity: width of the Gaussian kernel with which a sample to mix is drawn, in units of the root mean squared
            distance of the predictions (0.2 in the authors' code, for labels in 0..1).
    """

    weight: float = Field(default=1.0, ge=0)
    evidence: float = Field(default=1.0, ge=0)
    similarity: float = Field(default=0.2, gt=0)
    default_randomization: ClassVar[str | None] = "full"
    least_batch: ClassVar[int] = 2

    def build(self, target: Unlabelled) -> None:
        self.uncertainty = mlp(self.model.width, (), len(Uncertainty._fields))
        self.networks["uncertainty"] = self.uncertainty

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.model.features(torch.cat([source.x, target.x]))
        outputs, n = self.model.head(features).float(), len(source)
        ours, theirs = features[:n], features[n:]
        losses = self.task.losses(outputs[:n], source.y)
        label, known = losses.mean(), source.y.isfinite().reshape(n, -1).all(1)
        each = evidential_losses(losses, uncertainty_of(self.uncertainty(ours)))
        mixed = mix_similar(features, outputs.detach(), n, self.similarity)
        apart = mmd(ours, theirs) + mmd(ours, mixed)
        unit = self.unit(label)
        yield Update(
            of=(self.model, self.uncertainty),
            label=(1.0, label),
            evidence=(self.evidence * unit, (each * known).sum() / known.sum().clamp(min=1)),
            mmd=(self.weight * unit * rise(progress), apart),
        )


class Uncertainty(NamedTuple):
    """Parameters of a normal-inverse-gamma distribution for each sample, (N,) float32 each.

    Args:
        v: evidence for the prediction, above 0.
        alpha: evidence for the variance, above 1.
        beta: above 0; the expected variance is beta / (alpha - 1).
    """

    v: Tensor
    alpha: Tensor
    beta: Tensor


def uncertainty_of(outputs: Tensor) -> Uncertainty:
    """The parameters from the raw outputs (N, 3) of their head."""
    v, alpha, beta = (F.softplus(outputs.float()) + SMALL).unbind(1)
    return Uncertainty(v, 1 + alpha, beta)


def evidential_losses(squared: Tensor, uncertainty: Uncertainty) -> Tensor:
    """Loss of each sample (N,): the negative log-likelihood of its error, and the penalty on evidence for a wrong one.

    The likelihood is a Student distribution with 2 alpha degrees of freedom and the squared scale
    beta (1 + v) / (v alpha).

    Args:
        squared: (N,) squared errors.
    """
    v, alpha, beta = uncertainty
    wide = 2 * beta * (1 + v)
    unlikely = (
        0.5 * (torch.pi / v).log()
        - alpha * wide.log()
        + (alpha + 0.5) * (v * squared + wide).log()
        + torch.lgamma(alpha)
        - torch.lgamma(alpha + 0.5)
    )
    return unlikely + squared.detach().sqrt() * (2 * v + alpha)


def mix_similar(features: Tensor, labels: Tensor, n: int, width: float) -> Tensor:
    """Features (M, F) of the target, each mixed with those of a sample of either domain that has a similar label.

    Args:
        features: (N + M, F) of both domains. The first n are the source's.
        labels: (N + M, O) of both domains.
        width: of the kernel with which partners are drawn, in units of the root mean squared distance of the labels.
    """
    squared = squared_distances(labels[n:], labels)
    scaled = squared / squared.mean().clamp(min=1e-12)
    partners = torch.multinomial((scaled / (-2 * width**2)).softmax(1), 1).flatten()
    share = float(torch.distributions.Beta(2.0, 2.0).sample())
    return torch.lerp(features[partners], features[n:], share)
