"""CDAN: DANN with a critic that also receives the class predictions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ...data.domains import Unlabelled
from ...measure.discrepancies import entropy
from ...networks.dense import rows
from ...networks.layers import mlp
from ...settings import settings
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ..shared.reversal import Reversal, domain_loss
from ..shared.task_checks import needs_classes


class Multilinear(nn.Module):
    """Conditioning map of features (N, F) and predictions (N, C): their outer product, (N, F C).

    If F C exceeds `most`, a random map (N, `most`) replaces the product. It has the same inner products in expectation.
    """

    def __init__(self, features: int, classes: int, most: int) -> None:
        super().__init__()
        self.exact = features * classes <= most
        self.width = features * classes if self.exact else most
        self.of_features: Tensor
        self.of_predictions: Tensor
        if not self.exact:
            self.register_buffer("of_features", torch.randn(features, most) / most**0.25)
            self.register_buffer("of_predictions", torch.randn(classes, most) / most**0.25)

    def forward(self, features: Tensor, predictions: Tensor) -> Tensor:
        if self.exact:
            return torch.einsum("nf,nc->nfc", features, predictions).flatten(1)
        return (features @ self.of_features) * (predictions @ self.of_predictions)


@settings
class CDAN(Reversal):
    """Conditional adversarial domain adaptation: the critic receives the features together with the class predictions.

    For classes and masks only. The critic classifies the domain from the outer product of features and predicted
    probabilities, of masks at each point of the maps. The features are therefore aligned class by class, and not only
    as a whole. With entropy weighting (CDAN+E, the default), samples with a confident prediction weigh more.

    It can harm if early predictions on the target are wrong, because it then aligns wrong classes. As DANN, it can also
    harm if the class balance differs between the domains. By default the head receives the features with a dropout of
    0.5. As for DANN, this helped on USPS, by 1 percentage point. From MNIST to USPS the accuracy was 0.909 to 0.920
    after 1,500 steps (dev labels, one or two seeds), for every tried weight (0.3 to 2) and width of the critic (100 or
    512). The remaining errors are nines among sevens and eights.

    Differences from the paper: the critic has one hidden layer of 100 (two of 1024 with dropout in the paper, two of
    500 for digits). The predictions in the outer product and in the weights are constants, so the critic's gradient
    reaches the features only. The authors' code also lets the reversed gradient pass through the weights.

    References:
        Long, Cao, Wang & Jordan (2018). Conditional Adversarial Domain Adaptation. NeurIPS. arXiv:1705.10667.

    Args:
        entropy: weigh each sample by 1 + exp(-entropy of its prediction) (CDAN+E). False is CDAN.
        widest: greatest width of the outer product (4096 in the paper). A wider product is replaced by a random map of
            this width (of 1024 in the paper).
    """

    serves_maps: ClassVar[bool] = True
    default_dropout: ClassVar[float] = 0.5

    entropy: bool = True
    widest: int = Field(default=4096, ge=1)

    def refuse(self) -> None:
        needs_classes(self, self.task, "passes class probabilities to its critic", of_pixels=True)

    def build(self, target: Unlabelled) -> None:
        self.map = Multilinear(self.model.width, self.task.outputs, self.widest)
        self.networks["map"] = self.map
        self.domain_critic = self.networks["critic"] = mlp(self.map.width, self.critic, 1)

    def emphasis(self, predictions: Tensor, sources: int) -> Tensor:
        """Weights (N,) of the samples. Their mean is 1 in each domain, so that the domains stay balanced."""
        weights = 1 + torch.exp(-entropy(predictions))
        return torch.cat([part / part.mean() for part in (weights[:sources], weights[sources:])])

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.model.features(torch.cat([source.x, target.x]))
        outputs = self.model.head(features)
        label = self.task.loss(outputs[: len(source)], source.y)
        predictions = rows(outputs.detach().softmax(1))  # the critic's gradient must not change the predictions
        seen = self.map(rows(self.reverse(features, self.ramp(progress))), predictions)
        sources = len(seen) * len(source) // len(features)
        weights = self.emphasis(predictions, sources) if self.entropy else None
        domain = domain_loss(self.domain_critic(seen), sources, weights)
        yield Update(of=(self.model, self.domain_critic), label=(1.0, label), domain=(1.0, domain))
