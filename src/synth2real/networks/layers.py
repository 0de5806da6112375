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
    """Gradient reversal layer (Ganin & Lempitsky 2015): the identity, with the gradient multiplied by `-weight`."""
    return _Reverse.apply(x, weight)  # type: ignore[no-any-return, no-untyped-call]


Statistics = Literal["per-image", "source", "pretrained", "none"]


class Normalise(nn.Module):
    """Input normalisation, part of the model.

    Args:
        statistics: `per-image` scales each channel of each image to mean 0 and standard deviation 1 (instance
            normalisation), which removes lighting and colour. `source` uses the channel means and standard deviations
            of the source, and `pretrained` those of the images that a network was pretrained on. `none` does not
            normalise. Features use the source statistics with `per-image`, too; sparse features share one standard
            deviation.
        mean, std: of the source or of the pretraining, one value per channel (or per feature).
        channels: of the result, if it is not that of the images: the channel of grey images is repeated.
    """

    def __init__(self, statistics: Statistics, mean: Tensor, std: Tensor, channels: int | None = None) -> None:
        super().__init__()
        self.statistics, self.channels = statistics, channels
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", mean.clone())
        self.register_buffer("std", std.clone())

    def forward(self, x: Tensor) -> Tensor:
        if self.channels is not None:
            x = x.expand(-1, self.channels, -1, -1)
        if self.statistics == "none":
            return x
        if self.statistics == "per-image" and x.ndim == 4:
            std, mean = torch.std_mean(x, dim=(2, 3), keepdim=True)
            return (x - mean) / (std + 0.05)  # 0.05: noise in a flat image is not amplified
        shape = (1, -1, 1, 1) if x.ndim == 4 else (1, -1)
        scale = 1 / self.std
        return torch.addcmul((-self.mean * scale).view(shape), x, scale.view(shape))


SHARPNESS = 5.0  # of the softmax over positions at the start; at 1 every position is near the middle, and learns slowly


class ExpectedPosition(nn.Module):
    """Expected position of the activation of each channel of (N, C, H, W): (N, 2 C) in -1..1 (Finn et al. 2016)."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))
        self.grid: Tensor
        x = (torch.arange(width) + 0.5) / width * 2 - 1
        y = (torch.arange(height) + 0.5) / height * 2 - 1
        grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
        self.register_buffer("grid", grid.flatten(0, 1), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        weights = (maps.flatten(2).float() * self.sharpness).softmax(-1)
        return (weights @ self.grid).flatten(1)


Norm = Literal["group", "batch"]


def convolution(channels: int, maps: int, norm: Norm, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, maps, kernel, stride, padding=kernel // 2),
        nn.BatchNorm2d(maps) if norm == "batch" else nn.GroupNorm(math.gcd(maps, 8), maps),
        nn.ReLU(inplace=True),
    ]


class Surroundings(nn.Module):
    """Adds context at half the resolution to each point of the feature maps (N, C, H, W).

    The context helps to distinguish a pupil from a patch of make-up. Convolutions with the same receptive field at full
    resolution would make a training step 50 percent longer.
    """

    def __init__(self, maps: int, norm: Norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True), *convolution(maps, maps, norm), *convolution(maps, maps, norm)
        )

    def forward(self, x: Tensor) -> Tensor:
        around = F.interpolate(self.body(x), x.shape[2:], mode="bilinear", align_corners=False)
        return x + around


class Convolutional(nn.Sequential):
    """The default image network: a 5 by 5 convolution, 3 by 3 convolutions with pooling, and a hidden layer.

    Pooling reduces the maps to about 7 by 7.

    The default is group normalisation, not batch normalisation. Source and target differ in exactly the statistics that
    a batch averages: batch normalisation cost 15 points and more on handwriting.

    Args:
        shape: (C, H, W) of one image.
        width: feature maps of the first convolution, a multiple of 8; the others have twice as many.
        hidden: width of the features.
        spatial: the features are positions in the last maps instead of their values (regression, keypoints, gaze). The
            receptive field is then larger.
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
        finest = 16 if spatial else 8  # the shorter side of the last maps is at most this
        stride = 2 if min(size) > finest else 1
        layers = convolution(channels, width, norm, kernel=5, stride=stride)
        size = [(side + stride - 1) // stride for side in size]
        maps = width
        while min(size) > finest:
            layers += [*convolution(maps, 2 * width, norm), nn.MaxPool2d(2)]
            maps, size = 2 * width, [side // 2 for side in size]
        layers += convolution(maps, 2 * width, norm)
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
    """A feature extractor of the DANN paper (Ganin et al. 2016, figure 4): convolutions, ReLUs and pooling.

    `mlp` builds the label predictor and the domain classifier. Their widths are in the presets of `adapt.DANN`.
    """

    name: ClassVar[str]
    least: ClassVar[int]  # minimum of the shorter side in pixels

    def __init__(self, shape: Sequence[int], spatial: bool = False, norm: Norm = "group") -> None:
        channels, *size = shape
        if norm == "batch":
            raise InputError(
                f"the network {self.name} has no normalisation, found norm 'batch', expected norm 'group'. For batch "
                "normalisation, use the network convolutional or perceptron"
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
    """The MNIST architecture of the DANN paper (Ganin et al. 2016, figure 4a), for images of 28 by 28."""

    name, least = "dann-mnist", 16

    @staticmethod
    def layers(channels: int) -> list[nn.Module]:
        first = [nn.Conv2d(channels, 32, 5), nn.ReLU(), nn.MaxPool2d(2)]
        return [*first, nn.Conv2d(32, 48, 5), nn.ReLU(), nn.MaxPool2d(2)]


class DANNSvhn(_DANNPaper):
    """The SVHN architecture of the DANN paper (Ganin et al. 2016, figure 4b), for images of 32 by 32.

    The paper does not specify the padding of the convolutions. Here it is 2, which keeps the size. Without padding, the
    third convolution would be larger than the maps that remain of 32 by 32 after pooling. The paper trains this network
    with dropout and gives no numbers. Here they are those of Srivastava et al. (2014): a tenth of the inputs, and a
    quarter of the outputs of the first two convolutions.
    """

    name, least = "dann-svhn", 16

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(x, 0.1, self.training)
        for layer in self:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                x = F.dropout(x, 0.25, self.training)
        return x

    @staticmethod
    def layers(channels: int) -> list[nn.Module]:
        first = [nn.Conv2d(channels, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)]
        second = [nn.Conv2d(64, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)]
        return [*first, *second, nn.Conv2d(64, 128, 5, padding=2), nn.ReLU()]


class DANNGtsrb(_DANNPaper):
    """The traffic sign (GTSRB) architecture of the DANN paper (Ganin et al. 2016, figure 4c), for 40 by 40 images."""

    name, least = "dann-gtsrb", 32

    @staticmethod
    def layers(channels: int) -> list[nn.Module]:
        first = [nn.Conv2d(channels, 96, 5), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(96, 144, 3), nn.ReLU(), nn.MaxPool2d(2)]
        return [*first, *second, nn.Conv2d(144, 256, 5), nn.ReLU(), nn.MaxPool2d(2)]


class Perceptron(nn.Sequential):
    """The default network for features (F,): two hidden layers, with batch normalisation or without normalisation."""

    def __init__(self, shape: Sequence[int], hidden: int = 128, spatial: bool = False, norm: Norm = "group") -> None:
        layers: list[nn.Module] = []
        for inputs in (shape[0], hidden):
            layers += [nn.Linear(inputs, hidden), *([nn.BatchNorm1d(hidden)] if norm == "batch" else []), nn.ReLU()]
        super().__init__(*layers)
        self.width = hidden


class Shallow(nn.Sequential):
    """One hidden sigmoid layer for features (F,), as in the review experiments of the DANN paper."""

    def __init__(self, shape: Sequence[int], hidden: int, spatial: bool = False, norm: Norm = "group") -> None:
        super().__init__(nn.Linear(shape[0], hidden), nn.Sigmoid())
        self.width = hidden


class Linear(nn.Sequential):
    """No hidden layer, for features (F,). With the head, the model is linear."""

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


def share(value: float, name: str) -> float:
    """The value, or an `InputError` that calls it `name` if it is not in 0..1."""
    if not 0 <= value <= 1:
        raise InputError(f"{name} is {value}, expected a share in 0..1")
    return value


def mlp(inputs: int, hidden: Sequence[int], outputs: int, dropout: float = 0.0) -> nn.Sequential:
    """Linear layers with ReLUs (and dropout) between them: a head, or a critic on features."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class Residual(nn.Module):
    """Residual block: two 3 by 3 convolutions, a skip connection, then a ReLU. It keeps the shape (N, maps, H, W)."""

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
    """SimGAN's refiner (Shrivastava et al. 2017): a fully convolutional ResNet at constant resolution.

    It maps images in 0..1 to images in 0..1. By default it predicts a change of its input, which is zero before
    training. The sum is clipped, but its gradient is not clipped. Otherwise a saturated pixel would get no gradient and
    could not change any more.

    Args:
        channels: channels of the image.
        maps: feature maps of every layer (64 in the paper).
        blocks: residual blocks (4 in the paper).
        output: `change`, or `image` as in the paper: the tanh output is the image itself.
    """

    by_rows = True

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
        output: Tensor = torch.tanh(self.body(2 * x - 1))
        return (output + 1) / 2 if self.output == "image" else clip(x + output)


def silence(layer: nn.Conv2d) -> None:
    """Set weights and bias to zero, so that a residual branch that ends in this layer begins as the identity."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def clip(x: Tensor) -> Tensor:
    """`x` clipped to 0..1, with the gradient of the unclipped `x`."""
    return x + (x.clamp(0, 1) - x).detach()


class Centred(nn.Sequential):
    """Layers for images in 0..1, which are first scaled to -1..1."""

    by_rows = True

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * x - 1
        for layer in self:
            x = layer(x)
        return x


class PatchCritic(Centred):
    """A small local critic: one logit per patch of an image in 0..1, (N, 1, h, w). A positive logit means real.

    The receptive field is about 20 pixels.

    Args:
        channels: channels of the image.
        maps: feature maps of the first layer.
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
