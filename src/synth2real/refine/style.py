"""Style randomization: images of random texture, contrast and colour, less real on purpose."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ..domains import Labelled, Unlabelled
from ..settings import settings
from ..training import Loop, Report
from .base import ImageMapping, pick

LARGEST = 7  # side of the filters, pixels; smaller ones stand in their middle


@settings
class Style(ImageMapping):
    """Each image is seen through one of many random filters and takes random statistics.

    A network that reads shapes is left alone by it and one that reads texture is not, so a model trained on such images
    must read shapes. The target is not looked at. Filters are random convolutions of sides 1, 3, 5 and 7, blended with
    the image as in the paper; each channel of what comes out then takes a random mean and deviation, as in style
    augmentation.

    References:
        Xu, Liu, Yang, Raffel & Niethammer (2021). Robust and generalizable visual representation learning via random
        convolutions. ICLR. arXiv:2007.13003.
        Jackson, Atapour-Abarghouei, Bonner, Breckon & Obara (2019). Style augmentation. CVPRW. arXiv:1809.05375.

    Args:
        strength: greatest share of the filtered image in the blend, and of the random in the statistics; 0 changes
            nothing.
        styles: how many there are.
    """

    name: ClassVar[str] = "style"

    strength: float = Field(default=0.7, ge=0, le=1)
    styles: int = Field(default=256, ge=1)

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> None:
        generator = torch.Generator().manual_seed(loop.seed)
        channels = source.shape[0]
        self.filters = filters(self.styles, channels, generator)
        self.blend = torch.rand(self.styles, generator=generator) * self.strength
        self.mean = 0.2 + 0.6 * torch.rand(self.styles, channels, generator=generator)
        self.std = 0.1 + 0.2 * torch.rand(self.styles, channels, generator=generator)

    def refine(self, x: Tensor) -> Tensor:
        style = pick(x, self.styles).to(self.filters.device)
        weights, blend, new_mean, new_std = (
            bank[style].to(x.device, x.dtype) for bank in (self.filters, self.blend, self.mean, self.std)
        )
        blend, new_mean, new_std = blend[:, None, None, None], new_mean[..., None, None], new_std[..., None, None]
        std, mean = torch.std_mean(x, (2, 3), keepdim=True, correction=0)
        seen = standard((1 - blend) * (x - mean) / (std + 1e-3) + blend * standard(filtered(x - mean, weights)))
        return seen * torch.lerp(std, new_std, self.strength) + torch.lerp(mean, new_mean, self.strength)

    def learnt(self) -> dict[str, Tensor]:
        return {"filters": self.filters, "blend": self.blend, "mean": self.mean, "std": self.std}

    def take(self, learnt: dict[str, Tensor]) -> None:
        self.filters, self.blend = learnt["filters"], learnt["blend"]
        self.mean, self.std = learnt["mean"], learnt["std"]


def filters(count: int, channels: int, generator: torch.Generator) -> Tensor:
    """Random filters (count, channels, channels, 7, 7) of sides 1, 3, 5 and 7 in turn, normal weights."""
    weights = torch.randn(count, channels, channels, LARGEST, LARGEST, generator=generator)
    away = (torch.arange(LARGEST) - LARGEST // 2).abs()
    reach = torch.maximum(away[:, None], away)
    return weights * (reach <= (torch.arange(count) % 4).view(-1, 1, 1, 1, 1))


def filtered(x: Tensor, weights: Tensor) -> Tensor:
    """Each image (B, C, H, W) through its own filter (B, C, C, 7, 7), borders mirrored where it is large enough."""
    half = LARGEST // 2
    padded = F.pad(x, (half,) * 4, mode="reflect" if min(x.shape[2:]) > half else "replicate")
    together = padded.reshape(1, -1, *padded.shape[2:])
    return F.conv2d(together, weights.flatten(0, 1), groups=len(x)).view(x.shape)


def standard(x: Tensor) -> Tensor:
    """Each channel of each image to mean 0 and deviation 1; a flat one stays flat."""
    std, mean = torch.std_mean(x, (2, 3), keepdim=True, correction=0)
    return (x - mean) / (std + 1e-3)
