"""Small standard networks: feature extractors, critics, the refiner, and gradient reversal."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float | Tensor) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return -ctx.weight * gradients[0], None


def reverse_gradient(x: Tensor, weight: float | Tensor = 1.0) -> Tensor:
    """The gradient reversal layer (Ganin & Lempitsky 2015): the identity, whose gradient is times `-weight`."""
    return _Reverse.apply(x, weight)  # type: ignore[no-any-return, no-untyped-call]


Statistics = Literal["per-image", "source", "none"]


class Normalise(nn.Module):
    """Input normalisation, part of the model.

    Args:
        statistics: `per-image`: each channel of each image to mean 0 and deviation 1, which takes lighting and tint
            out (instance normalisation); `source`: by the source's channel means and deviations; `none`: as given.
            Features are normalised by the source's under `per-image`, too; sparse ones share one deviation.
        mean, std: of the source, one value a channel (or a feature).
    """

    def __init__(self, statistics: Statistics, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.statistics = statistics
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", mean.clone())
        self.register_buffer("std", std.clone())

    def forward(self, x: Tensor) -> Tensor:
        if self.statistics == "none":
            return x
        if self.statistics == "per-image" and x.ndim == 4:
            std, mean = torch.std_mean(x, dim=(2, 3), keepdim=True)
            return (x - mean) / (std + 0.05)  # a flat image stays quiet
        shape = (1, -1, 1, 1) if x.ndim == 4 else (1, -1)
        scale = 1 / self.std
        return torch.addcmul((-self.mean * scale).view(shape), x, scale.view(shape))


class ExpectedPosition(nn.Module):
    """Maps (N, C, H, W) to where each channel's activation lies on average, (N, 2 C) in -1..1 (Finn et al. 2016)."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(1.0))
        self.grid: Tensor
        x = (torch.arange(width) + 0.5) / width * 2 - 1
        y = (torch.arange(height) + 0.5) / height * 2 - 1
        grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
        self.register_buffer("grid", grid.flatten(0, 1), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        weights = (maps.flatten(2).float() * self.sharpness).softmax(-1)
        return (weights @ self.grid).flatten(1)


Norm = Literal["group", "batch"]


def _convolution(channels: int, maps: int, norm: Norm, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, maps, kernel, stride, padding=kernel // 2),
        nn.BatchNorm2d(maps) if norm == "batch" else nn.GroupNorm(math.gcd(maps, 8), maps),
        nn.ReLU(inplace=True),
    ]


class Surroundings(nn.Module):
    """Adds to each point of maps (N, C, H, W) what lies around it, seen at half the resolution: by that, a pupil is
    told from a patch of make-up. At full resolution, convolutions that see as far cost half a step of training more.
    """

    def __init__(self, maps: int, norm: Norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True), *_convolution(maps, maps, norm), *_convolution(maps, maps, norm)
        )

    def forward(self, x: Tensor) -> Tensor:
        around = F.interpolate(self.body(x), x.shape[2:], mode="bilinear", align_corners=False)
        return x + around


class Convolutional(nn.Sequential):
    """The default image network: a 5 by 5 convolution, 3 by 3 ones with pooling down to about 7 by 7, a hidden layer.

    Group instead of batch normalisation by default: source and target differ in just the statistics that a batch would
    average, which cost 15 points and more on handwriting.

    Args:
        shape: (C, H, W) of one image.
        width: maps of the first convolution, a multiple of 8; the others have twice as many.
        hidden: width of the features.
        spatial: read positions off the last maps (regression, keypoints, gaze) instead of their values, with
            more of their surroundings in view.
        norm: normalisation after each convolution, over groups of maps or over the batch.
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 32,
        hidden: int = 128,
        spatial: bool = False,
        norm: Norm = "group",
    ) -> None:
        channels, *size = shape
        finest = 16 if spatial else 8  # the last maps have fewer pixels than twice that on their shorter side
        stride = 2 if min(size) > finest else 1
        layers = _convolution(channels, width, norm, kernel=5, stride=stride)
        size = [(side + stride - 1) // stride for side in size]
        maps = width
        while min(size) > finest:
            layers += [*_convolution(maps, 2 * width, norm), nn.MaxPool2d(2)]
            maps, size = 2 * width, [side // 2 for side in size]
        layers += _convolution(maps, 2 * width, norm)
        if spatial:
            layers += [
                Surroundings(2 * width, norm),
                nn.Conv2d(2 * width, 2 * width, 3, padding=1),
                ExpectedPosition(*size),
            ]
            flat = 4 * width
        else:
            layers.append(nn.Flatten())
            flat = 2 * width * math.prod(size)
        super().__init__(*layers, nn.Linear(flat, hidden), nn.ReLU())
        self.width = hidden


class _DANNPaper(nn.Sequential):
    """A feature extractor of the DANN paper (Ganin et al. 2016, figure 4): convolutions, rectifiers and pooling.

    Its label predictor and domain classifier stand in `mlp`; their widths in the presets of `adapt.DANN`.
    """

    name: ClassVar[str]
    least: ClassVar[int]  # pixels of the shorter side

    def __init__(self, shape: Sequence[int], spatial: bool = False, norm: Norm = "group") -> None:
        channels, *size = shape
        if norm == "batch":
            raise InputError(
                f"the network {self.name} has no normalisation, found norm 'batch', expected the network convolutional "
                "or perceptron with it"
            )
        if min(size) < self.least:
            least, found = f"{self.least} by {self.least}", f"{size[0]}x{size[1]}"
            raise InputError(f"the network {self.name} needs images of {least} or more, found {found}")
        super().__init__(*self.layers(channels), nn.Flatten())
        with torch.no_grad():
            self.width = self(torch.zeros(1, *shape)).shape[1]

    @staticmethod
    def layers(channels: int) -> list[nn.Module]:
        """The layers before the features are flattened."""
        raise NotImplementedError


class DANNMnist(_DANNPaper):
    """The DANN paper's MNIST architecture (Ganin et al. 2016, figure 4a), for 28 by 28."""

    name, least = "dann-mnist", 16

    @staticmethod
    def layers(channels: int) -> list[nn.Module]:
        first = [nn.Conv2d(channels, 32, 5), nn.ReLU(), nn.MaxPool2d(2)]
        return [*first, nn.Conv2d(32, 48, 5), nn.ReLU(), nn.MaxPool2d(2)]


class DANNSvhn(_DANNPaper):
    """The DANN paper's SVHN architecture (Ganin et al. 2016, figure 4b), for 32 by 32.

    The paper does not say how its convolutions are padded. Here by 2, which keeps the size: without, the third would
    not fit into what the pooling leaves of 32 by 32.
    """

    name, least = "dann-svhn", 16

    @staticmethod
    def layers(channels: int) -> list[nn.Module]:
        first = [nn.Conv2d(channels, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)]
        second = [nn.Conv2d(64, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)]
        return [*first, *second, nn.Conv2d(64, 128, 5, padding=2), nn.ReLU()]


class DANNGtsrb(_DANNPaper):
    """The DANN paper's architecture for traffic signs, GTSRB (Ganin et al. 2016, figure 4c), for 40 by 40."""

    name, least = "dann-gtsrb", 32

    @staticmethod
    def layers(channels: int) -> list[nn.Module]:
        first = [nn.Conv2d(channels, 96, 5), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(96, 144, 3), nn.ReLU(), nn.MaxPool2d(2)]
        return [*first, *second, nn.Conv2d(144, 256, 5), nn.ReLU(), nn.MaxPool2d(2)]


class Perceptron(nn.Sequential):
    """The default network for features (F,): two hidden layers, normalised over the batch or not at all."""

    def __init__(self, shape: Sequence[int], hidden: int = 128, spatial: bool = False, norm: Norm = "group") -> None:
        layers: list[nn.Module] = []
        for inputs in (shape[0], hidden):
            layers += [nn.Linear(inputs, hidden), *([nn.BatchNorm1d(hidden)] if norm == "batch" else []), nn.ReLU()]
        super().__init__(*layers)
        self.width = hidden


class Shallow(nn.Sequential):
    """One hidden layer of sigmoids for features (F,), as in the DANN paper's experiments on reviews."""

    def __init__(self, shape: Sequence[int], hidden: int, spatial: bool = False, norm: Norm = "group") -> None:
        super().__init__(nn.Linear(shape[0], hidden), nn.Sigmoid())
        self.width = hidden


class Linear(nn.Sequential):
    """No layer at all for features (F,): the head alone, a linear model."""

    def __init__(self, shape: Sequence[int], spatial: bool = False, norm: Norm = "group") -> None:
        super().__init__()
        self.width = shape[0]


Features = Convolutional | _DANNPaper | Perceptron | Shallow | Linear
FOR_FEATURES = ("perceptron", "shallow-50", "shallow-100", "linear")
NETWORKS: dict[str, Callable[..., Features]] = {
    "convolutional": Convolutional,
    "convolutional-wide": functools.partial(Convolutional, width=64, hidden=256),
    "dann-mnist": DANNMnist,
    "dann-svhn": DANNSvhn,
    "dann-gtsrb": DANNGtsrb,
    "perceptron": Perceptron,
    "shallow-50": functools.partial(Shallow, hidden=50),
    "shallow-100": functools.partial(Shallow, hidden=100),
    "linear": Linear,
}


def mlp(inputs: int, hidden: Sequence[int], outputs: int, dropout: float = 0.0) -> nn.Sequential:
    """Linear layers with rectifiers (and dropout) between them: a head, or a critic of features."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class Residual(nn.Module):
    """Two 3 by 3 convolutions around which the input is led, then a rectifier; (N, maps, H, W) as it comes."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(maps, maps, 3, padding=1, padding_mode="reflect"),
            nn.ReLU(),
            nn.Conv2d(maps, maps, 3, padding=1, padding_mode="reflect"),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Refiner(nn.Module):
    """SimGAN's refiner (Shrivastava et al. 2017): a fully convolutional ResNet that never leaves the image's size.

    Maps images in 0..1 to images in 0..1. By default it predicts a change of its input, which is zero before training.
    The sum is clipped, but its gradient is not: through a saturated output no loss could lead back.

    Args:
        channels: of the image.
        maps: feature maps of every layer (64 in the paper).
        blocks: residual blocks (4 in the paper).
        output: `change`, or `image` as in the paper: a tanh that is the image itself.
    """

    def __init__(
        self, channels: int, maps: int = 64, blocks: int = 4, output: Literal["change", "image"] = "change"
    ) -> None:
        super().__init__()
        self.output = output
        last = nn.Conv2d(maps, channels, 1)
        if output == "change":
            silence(last)
        self.body = nn.Sequential(
            nn.Conv2d(channels, maps, 3, padding=1, padding_mode="reflect"),
            nn.ReLU(),
            *(Residual(maps) for _ in range(blocks)),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = torch.tanh(self.body(2 * x - 1))
        return (made + 1) / 2 if self.output == "image" else clip(x + made)


def silence(layer: nn.Conv2d) -> None:
    """Set a convolution to zero, so that what it adds to begins as it is."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def clip(x: Tensor) -> Tensor:
    """`x` clipped to 0..1, with the gradient of `x`."""
    return x + (x.clamp(0, 1) - x).detach()


class Centred(nn.Sequential):
    """Layers that see images in 0..1 in -1..1."""

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * x - 1
        for layer in self:
            x = layer(x)
        return x


class PatchCritic(Centred):
    """A small local critic: a logit for each patch of an image in 0..1, (N, 1, h, w); positive says real.

    Args:
        channels: of the image.
        maps: of the first layer; the receptive field is about 20 pixels.
    """

    def __init__(self, channels: int, maps: int = 48) -> None:
        super().__init__(
            nn.Conv2d(channels, maps, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(maps, maps, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(maps, maps, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(maps, 1, 1),
        )
