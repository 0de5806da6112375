"""SDA: stacked denoising autoencoders with rectified units, trained layer by layer on both domains."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ...data.domains import Inputs, Labelled, Unlabelled, to_float
from ...networks.feature_maps import BATCH, Layers, Words
from ...settings import settings
from ...training.loop import Algorithm, Loop, Progress, Report, SourceBatch, TargetBatch, Trainer, Update
from .base import FeatureMapping


@settings
class SDA(FeatureMapping):
    """Stacked denoising autoencoders: each layer learns to reconstruct inputs to which noise was added.

    The layers are trained one after the other, on unlabelled batches of both domains. Each layer receives the outputs
    of the layer below. The output of the last layer is the new representation. The encoders are rectified linear units.
    As in the paper, the first layer loses words at random and reconstructs them by a sigmoid with cross entropy. Higher
    layers get Gaussian noise, which is added before the rectifier of the layer below so that their inputs stay sparse.
    They reconstruct these inputs by a softplus with squared error. The noise is new in each step. Sparse features are
    converted to dense ones batch by batch.

    Differences from the paper: the losses and `sparsity` are means over words and units instead of sums, the scale of
    the Gaussian noise is relative, and the optimiser is Adam instead of gradient descent.

    References:
        Glorot, Bordes & Bengio (2011). Domain adaptation for large-scale sentiment classification: a deep learning
        approach. ICML.

    Args:
        term_weighting: how counts are weighed, see `feature_maps.Weighing`; `binary` as in the paper. With other values
            the inputs are also reconstructed with squared error.
        hidden: width of every layer (5000 in the paper, which had many more texts).
        layers: number of layers (3 in the paper).
        noise: probability that an entry of the first layer's inputs is set to zero (0.8 in the paper for words).
        hidden_noise: standard deviation of the Gaussian noise of higher layers, in units of the standard deviation of
            the values to which it is added (a searched absolute value in the paper).
        sparsity: weight of the mean activation.
        layer_steps: training steps of each layer.
        rate: learning rate of Adam.
    """

    name: ClassVar[str] = "sda"
    takes_sparse: ClassVar[bool] = True

    term_weighting: Words = "binary"
    hidden: int = Field(default=1000, ge=1)
    layers: int = Field(default=2, ge=1)
    noise: float = Field(default=0.8, gt=0, lt=1)
    hidden_noise: float = Field(default=0.25, ge=0)
    sparsity: float = Field(default=1e-3, ge=0)
    layer_steps: int = Field(default=600, ge=1)
    rate: float = Field(default=1e-3, gt=0)

    @property
    def steps(self) -> int:
        return self.layers * self.layer_steps

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> tuple[Inputs, Inputs]:
        with torch.random.fork_rng([]):
            torch.manual_seed(loop.seed)
            made = Layers((source.shape[0], *[self.hidden] * self.layers), "relu", words=self.term_weighting)
            if self.term_weighting == "tfidf":
                made.weigh.learn_from(source.inputs, target.inputs)
            algorithm = _Denoising(self, made.requires_grad_())
        loop = dataclasses.replace(loop, steps=self.steps, randomize=None)
        Trainer(algorithm, source, target, loop).run(report)
        self.feature_map = made.requires_grad_(False).to("cpu")
        ours, theirs = (mapped(made, inputs) for inputs in (source.inputs, target.inputs))
        return ours, theirs


class _Denoising(Algorithm):
    """Trains the layers of `sda` one after the other."""

    def __init__(self, sda: SDA, encoder: Layers) -> None:
        self.sda, self.weigh = sda, encoder.weigh
        self.layers = [cast(nn.Linear, layer) for layer in encoder.layers]
        self.decoders = [nn.Linear(layer.out_features, layer.in_features) for layer in self.layers]
        self.networks: dict[str, nn.Module] = {"weigh": encoder.weigh}
        for i, (layer, decoder) in enumerate(zip(self.layers, self.decoders, strict=True)):
            self.networks |= {f"encoder{i}": layer, f"decoder{i}": decoder}

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=self.sda.rate)

    @torch.no_grad()
    def inputs(self, x: Tensor, i: int) -> tuple[Tensor, Tensor]:
        """Inputs of layer `i` for samples (N, F), without and with noise, each (N, width)."""
        x = self.weigh(x)
        if i == 0:
            return x, x * (torch.rand_like(x) >= self.sda.noise)
        for layer in self.layers[: i - 1]:
            x = torch.relu(layer(x))
        sums = self.layers[i - 1](x)
        noise = self.sda.hidden_noise * sums.std() * torch.randn_like(sums)
        return torch.relu(sums), torch.relu(sums + noise)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        i = progress.step // self.sda.layer_steps
        x, corrupted = self.inputs(torch.cat([source.x, target.x]), i)
        codes = torch.relu(self.layers[i](corrupted))
        restored = self.decoders[i](codes)
        if i == 0 and self.sda.term_weighting == "binary":
            loss = F.binary_cross_entropy_with_logits(restored, x)
        else:
            loss = F.mse_loss(restored if i == 0 else F.softplus(restored), x)
        yield Update(
            of=(self.layers[i], self.decoders[i]), restore=(1.0, loss), active=(self.sda.sparsity, codes.mean())
        )


@torch.no_grad()
def mapped(feature_map: nn.Module, inputs: Inputs) -> Tensor:
    """Apply a map to all features of a domain, batch by batch: (N, width) float32."""
    return torch.cat([feature_map(to_float(inputs[part])) for part in torch.arange(len(inputs)).split(BATCH)])
