"""Feature maps: transforms of input features, learnt for the target. A model applies one before its own layers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..data.domains import Inputs, to_float

BATCH = 512  # samples per batch
Activation = Literal["identity", "tanh", "relu"]
Words = Literal["as-given", "binary", "tfidf"]
ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "tanh": torch.tanh,
    "relu": torch.relu,
}


class Weighing(nn.Module):
    """Weighting of word counts (N, F) float32.

    Args:
        width: number of words F.
        words: `as-given` keeps the counts. `binary` is 1 if the word occurs, and else 0. `tfidf` multiplies `binary` by
            the rarity of the word, and scales each sample to length 1, so that long texts weigh no more than short
            ones.
    """

    def __init__(self, width: int, words: Words) -> None:
        super().__init__()
        self.words = words
        self.rarity: Tensor
        self.register_buffer("rarity", torch.ones(width))

    def learn_from(self, *domains: Inputs) -> None:
        """Compute the rarity of each word: minus the logarithm of the share of all samples that contain it."""
        containing = torch.zeros_like(self.rarity)
        for inputs in domains:
            for part in torch.arange(len(inputs)).split(BATCH):
                containing += (to_float(inputs[part]) > 0).sum(0)
        self.rarity = -(containing / sum(len(inputs) for inputs in domains)).clamp(1e-4, 1).log()

    def forward(self, x: Tensor) -> Tensor:
        if self.words == "as-given":
            return x
        x = (x > 0).to(x.dtype)
        return nn.functional.normalize(x * self.rarity) if self.words == "tfidf" else x


class Layers(nn.Module):
    """A sequence of affine layers, each followed by the same activation.

    Args:
        widths: width of the input and of each layer.
        activation: activation after each layer.
        words: weighting of the input, see `Weighing`.
    """

    kind = "layers"

    def __init__(
        self,
        widths: tuple[int, ...],
        activation: Activation = "identity",
        words: Words = "as-given",
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "widths": list(widths),
            "activation": activation,
            "words": words,
        }
        self.weigh = Weighing(widths[0], words)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.requires_grad_(False)
        self.activation, self.inputs, self.width = activation, widths[0], widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        x = self.weigh(x)
        for layer in self.layers:
            x = ACTIVATIONS[self.activation](layer(x))
        return x


class Denoiser(nn.Module):
    """Stacked layers tanh(q s T' T (x / s) + bias). The output concatenates the input and all layers.

    The output is (N, (1 + layers) F).

    Args:
        width: features F of the input and of each layer.
        rank: rows of T.
        layers: number of layers.
        keep: q, the probability that a feature is kept during training.
        words: weighting of the input, see `Weighing`.
    """

    kind = "denoiser"

    def __init__(self, width: int, rank: int, layers: int, keep: float, words: Words = "as-given") -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"width": width, "rank": rank, "layers": layers, "keep": keep, "words": words}
        self.weigh = Weighing(width, words)
        self.inputs, self.width, self.keep = width, (1 + layers) * width, keep
        self.halves, self.scales, self.biases = (nn.ParameterList() for _ in range(3))
        for part, shape in ((self.halves, (rank, width)), (self.scales, (width,)), (self.biases, (width,))):
            part.extend(nn.Parameter(torch.zeros(shape), requires_grad=False) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        found = [self.weigh(x)]
        for half, scale, bias in zip(self.halves, self.scales, self.biases, strict=True):
            found.append(torch.tanh(((found[-1] / scale) @ half.T) @ (half * (self.keep * scale)) + bias))
        return torch.cat(found, 1)


class Kernel(nn.Module):
    """Weighted sums (N, width) of Gaussian kernels, centred on the training samples.

    Args:
        inputs: features per sample.
        count: training samples.
        width: width of the output.
        gamma: parameter of the kernel exp(-gamma |x - y|^2).
    """

    kind = "kernel"

    def __init__(self, inputs: int, count: int, width: int, gamma: float) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"inputs": inputs, "count": count, "width": width, "gamma": gamma}
        self.inputs, self.width, self.gamma = inputs, width, gamma
        self.samples: Tensor
        self.weights: Tensor
        self.register_buffer("samples", torch.zeros(count, inputs))
        self.register_buffer("weights", torch.zeros(count, width))

    def forward(self, x: Tensor) -> Tensor:
        # As `torch.cdist` computes many distances, which has no counterpart in ONNX.
        squares = x.square().sum(1, keepdim=True) + self.samples.square().sum(1) - 2 * x @ self.samples.T
        return torch.exp(-self.gamma * squares.clamp(min=0)) @ self.weights


FeatureMap = Layers | Denoiser | Kernel
MAPS: dict[str, Callable[..., FeatureMap]] = {kind.kind: kind for kind in (Layers, Denoiser, Kernel)}


def describe(feature_map: FeatureMap) -> dict[str, Any]:
    """Plain data, from which `build` makes the same map without its weights."""
    return {"kind": feature_map.kind, **feature_map.settings}


def build(description: dict[str, Any]) -> FeatureMap:
    """Build the map that `describe` described, without its weights."""
    settings = dict(description)
    return MAPS[settings.pop("kind")](**settings)
