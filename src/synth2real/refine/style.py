"""Style randomization: random texture, contrast and colour, deliberately less real."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ..data.domains import Labelled, Unlabelled
from ..settings import settings
from ..training.loop import Loop, Report
from ..transforms.texture import filtered, filters, random_statistics, restyled
from .base import ImageMapping, pick


@settings
class Style(ImageMapping):
    """Style randomization: passes each image through a random filter and gives it random channel statistics.

    This changes the texture and preserves the shape. A model trained on such images must therefore recognise shapes.
    The target is not used. The filters are random convolutions of sides 1, 3, 5 and 7, blended with the image as in the
    paper. Then each channel gets a random mean and deviation, which is what style augmentation changes by a network.

    Differences from the papers: the filter of an image is always the same one, while the paper draws a new one in each
    step. Its consistency loss is left out.

    References:
        Xu, Liu, Yang, Raffel & Niethammer (2021). Robust and generalizable visual representation learning via random
        convolutions. ICLR. arXiv:2007.13003.
        Jackson, Atapour-Abarghouei, Bonner, Breckon & Obara (2019). Style augmentation. CVPRW. arXiv:1809.05375.

    Args:
        strength: greatest share of the filtered image in the blend, and of the random values in the statistics; 0
            changes nothing.
        styles: number of styles.
        reject: as in `Rejection`.
    """

    name: ClassVar[str] = "style"

    strength: float = Field(default=0.7, ge=0, le=1)
    styles: int = Field(default=256, ge=1)

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> None:
        generator = torch.Generator().manual_seed(loop.seed)
        channels = source.shape[0]
        self.filters = filters(self.styles, channels, generator)
        self.blend = torch.rand(self.styles, generator=generator) * self.strength
        self.mean, self.std = random_statistics(self.styles, channels, generator)

    def refine(self, x: Tensor) -> Tensor:
        style = pick(x, self.styles).to(self.filters.device)
        weights, blend, new_mean, new_std = (
            bank[style].to(x.device, x.dtype) for bank in (self.filters, self.blend, self.mean, self.std)
        )
        blend, new_mean, new_std = blend[:, None, None, None], new_mean[..., None, None], new_std[..., None, None]
        return restyled(x, lambda z: filtered(z, weights), blend, new_mean, new_std, self.strength)

    def learnt(self) -> dict[str, Tensor]:
        return {"filters": self.filters, "blend": self.blend, "mean": self.mean, "std": self.std}

    def take(self, learnt: dict[str, Tensor]) -> None:
        self.filters, self.blend = learnt["filters"], learnt["blend"]
        self.mean, self.std = learnt["mean"], learnt["std"]
