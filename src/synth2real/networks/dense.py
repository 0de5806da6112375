"""Networks from images to maps of features: a small encoder or a given one, and a feature pyramid on top."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .layers import Norm, convolution

PYRAMID = "pyramid"  # name of the default network of maps
WIDTHS = (24, 48, 96, 128)  # channels of the encoder at strides 2, 4, 8 and 16
MAPS = 48  # channels of the pyramid
FINE = 192  # pixels; images whose shorter side is at most this get maps at stride 2, larger ones at stride 4
LEAST = 16  # pixels of the shorter side
SURE = -1e-6  # greatest logarithm of a probability, whose odds are finite


@runtime_checkable
class Encoder(Protocol):
    """A network with maps at several strides, from fine to coarse, each half as wide as the one before.

    `maps(x)` takes images (N, C, H, W) and returns maps (N, c, h, w).
    """

    def maps(self, x: Tensor) -> list[Tensor]: ...


@runtime_checkable
class SetDetector(Protocol):
    """A network with a head of its own, which predicts a set of boxes for each image.

    It takes images (N, C, H, W) and returns maps of features (N, F, h, w), which methods of adaptation act on.

    `set_head(classes)` is called once, and returns the layers from these maps to raw outputs (N, Q, S (classes + 4)),
    see `tasks.box_sets`. S may differ between training and evaluation.
    """

    def set_head(self, classes: int) -> nn.Module: ...


class SmallEncoder(nn.Module):
    """The default encoder, with 0.5 million parameters together with its pyramid: stages that halve the resolution.

    The maps are at strides 2, 4, 8 and 16. The finest are left out for images whose shorter side is above 192 pixels:
    small images have small objects.

    Args:
        shape: (C, H, W) of the images.
        norm: normalisation after each convolution.
        widths: channels of the stages.
    """

    def __init__(self, shape: Sequence[int], norm: Norm = "group", widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.stages, self.first = nn.ModuleList(), 0 if min(shape[1:]) <= FINE else 1
        channels = shape[0]
        for i, width in enumerate(widths):
            first = convolution(channels, width, norm, kernel=5 if i == 0 else 3, stride=2)
            self.stages.append(nn.Sequential(*first, *convolution(width, width, norm)))
            channels = width

    def maps(self, x: Tensor) -> list[Tensor]:
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found[self.first :]


class TimmMaps(nn.Module):
    """A network of timm that was built with `features_only`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def maps(self, x: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.network(x)
        return found


class HiddenMaps(nn.Module):
    """A vision model of transformers whose hidden states are maps: convolutional networks, SegFormer, Swin and others.

    Of hidden states of one resolution the last is taken.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def config(self) -> dict[str, Any]:
        """The architecture, as plain data."""
        plain: dict[str, Any] = json.loads(self.network.config.to_json_string())  # type: ignore[operator,union-attr]
        return plain

    def maps(self, x: Tensor) -> list[Tensor]:
        made = self.network(pixel_values=x, output_hidden_states=True)
        states = getattr(made, "reshaped_hidden_states", None) or made.hidden_states
        found = {tuple(state.shape[2:]): state for state in states if state.ndim == 4}
        if len(found) < 2:
            raise InputError(
                f"the network {type(self.network).__name__} of transformers has no maps of several resolutions, "
                "expected a convolutional or hierarchical one, such as transformers:nvidia/mit-b0"
            )
        return list(found.values())


def mapped(network: nn.Module, shape: Sequence[int], norm: Norm, tune: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A network of maps (N, F, h, w): a pyramid on an encoder, or the network itself if it returns maps.

    Args:
        network: see `backbones.build_network`, with `dense`.
        shape: (C, H, W) of the images.
        norm: normalisation of the pyramid.
        tune: applied to what is given: an encoder, or the whole network.
    """
    if isinstance(network, Encoder):
        return Pyramid(tune(network), shape, norm=norm)  # type: ignore[arg-type]
    return tune(network)


@torch.no_grad()
def channels_of_maps(encoder: Encoder, shape: Sequence[int]) -> list[int]:
    """Channels of each map of an encoder, which runs once on zeros (C, H, W), in evaluation mode."""
    modes = [(module, module.training) for module in encoder.modules()] if isinstance(encoder, nn.Module) else []
    for module, _ in modes:
        module.training = False
    channels = [part.shape[1] for part in encoder.maps(torch.zeros(1, *shape))]
    for module, mode in modes:
        module.training = mode
    return channels


class Pyramid(nn.Module):
    """Feature pyramid (Lin et al. 2017) that ends in one map: coarse maps add their context to finer ones.

    Each map is projected to `maps` channels, the coarser sum is enlarged and added, and a convolution follows.

    Args:
        encoder: see `Encoder`.
        shape: (C, H, W) of the images.
        maps: channels of the result.
        norm: normalisation after each convolution.

    Raises:
        InputError: the images are too small.

    References:
        Lin, Dollar, Girshick, He, Hariharan & Belongie (2017). Feature Pyramid Networks for Object Detection. CVPR.
    """

    def __init__(self, encoder: Encoder, shape: Sequence[int], maps: int = MAPS, norm: Norm = "group") -> None:
        super().__init__()
        if min(shape[1:]) < LEAST:
            raise InputError(
                f"images of {shape[1]}x{shape[2]} are too small for maps of features, expected {LEAST} pixels or more. "
                "Enlarge them on load: --size"
            )
        self.encoder, self.width = encoder, maps
        channels = channels_of_maps(encoder, shape)
        self.lateral = nn.ModuleList(nn.Conv2d(width, maps, 1) for width in channels)
        self.smooth = nn.ModuleList(nn.Sequential(*convolution(maps, maps, norm)) for _ in channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, maps, h, w) at the stride of the finest map."""
        *finer, coarsest = self.encoder.maps(x)
        *laterals, last = self.lateral
        *smooths, first = self.smooth
        merged: Tensor = first(last(coarsest))
        for part, lateral, smooth in zip(reversed(finer), reversed(laterals), reversed(smooths), strict=True):
            around = F.interpolate(merged, part.shape[2:], mode="bilinear", align_corners=False)
            merged = smooth(lateral(part) + around)
        return merged


class DecoupledHead(nn.Module):
    """The layers from maps of features (N, width, h, w) to those of a detector, (N, C + 4, h, w) float32.

    One branch tells the classes apart. The other finds objects of any class, and their sides. The first C maps are the
    log odds of sigmoid(object) softmax(classes), the last 4 are the sides.

    Args:
        width: of the features.
        classes: C.
        rare: probability of an object at a point before the training.

    References:
        Ge, Liu, Wang, Li & Sun (2021). YOLOX: Exceeding YOLO Series in 2021. arXiv:2107.08430.
    """

    def __init__(self, width: int, classes: int, rare: float) -> None:
        super().__init__()
        self.classes, self.boxes = (
            _branch(width, [0.0] * classes),
            _branch(width, [-math.log(1 / rare - 1), 0, 0, 0, 0]),
        )

    def forward(self, x: Tensor) -> Tensor:
        present, sides = self.boxes(x).float().split([1, 4], 1)
        logs = F.logsigmoid(present) + self.classes(x).float().log_softmax(1)
        return torch.cat([logs - torch.log1p(-logs.clamp(max=SURE).exp()), sides], 1)


def _branch(width: int, start: Sequence[float]) -> nn.Sequential:
    """Layers from maps (N, width, h, w) to (N, outputs, h, w), whose values are near `start` before the training."""
    last = nn.Conv2d(width, len(start), 1)
    nn.init.normal_(last.weight, std=0.01)
    with torch.no_grad():
        last.bias.copy_(torch.tensor(start))  # type: ignore[union-attr]
    return nn.Sequential(*convolution(width, width, "group"), last)


def local_mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """`mlp` at each point of maps (N, inputs, h, w): a head, or a critic on local features."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Conv2d(inputs, width, 1), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Conv2d(inputs, outputs, 1))


def rows(features: Tensor) -> Tensor:
    """Features (N, F) as they are; each point of maps (N, F, h, w) as a row of (N h w, F), image after image."""
    return features if features.ndim == 2 else features.movedim(1, -1).flatten(0, -2)
