"""Fourier domain adaptation: low frequencies get the target's amplitude and keep their own phase."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ..data.domains import Labelled, Unlabelled
from ..settings import settings
from ..training.loop import Loop, Report
from .base import ImageMapping, pick, some

BANK = 512  # target images with stored amplitudes


@settings
class Fourier(ImageMapping):
    """Fourier domain adaptation: the lowest frequencies of each image get the amplitude of one target image.

    The phase contains the positions of objects and does not change. The exchanged amplitudes contain colour, light and
    soft shading. The frequencies (k, l) with |k|, |l| <= b are exchanged, with b = `beta` times the shorter side,
    rounded down.

    In the spectrum of a real transform, the rows contain k = 0, 1, ..., -2, -1, so low frequencies are at both ends.
    The columns contain only l = 0, 1, ..., so low frequencies are only at the start. An exchange at both ends of the
    columns, as in a full spectrum, would exchange the highest frequencies.

    Differences from the paper: the target image of an image is always the same one, while the paper draws a new one
    each time. The paper's entropy loss, its self-training and its mean of several networks are left out.

    References:
        Yang & Soatto (2020). FDA: Fourier domain adaptation for semantic segmentation. CVPR. arXiv:2004.05498.

    Args:
        beta: half-width of the exchanged square, as a share of the image's shorter side (0.01 to 0.09 in the paper, on
            images of 1024 by 512). Small images need a larger value; otherwise the square contains only the mean
            colour.
        reject: as in `Rejection`.
    """

    name: ClassVar[str] = "fourier"

    beta: float = Field(default=0.05, ge=0, le=0.25)

    @property
    def width(self) -> int:
        """The highest exchanged frequency."""
        return int(self.beta * min(self.shape[1:]))

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> None:
        images = some(target.inputs, BANK, loop.seed)
        self.bank = low(torch.fft.rfft2(images).abs(), self.width)

    def refine(self, x: Tensor) -> Tensor:
        bank = self.bank.to(x.device)
        return exchange(x.float(), bank[pick(x, len(bank))], self.width)

    def learnt(self) -> dict[str, Tensor]:
        return {"bank": self.bank}

    def take(self, learnt: dict[str, Tensor]) -> None:
        self.bank = learnt["bank"]


def _rows(width: int, device: torch.device) -> Tensor:
    """Row indices of the frequencies 0 to `width` and -`width` to -1. Negative indices count from the end."""
    return torch.arange(-width, width + 1, device=device)


def low(spectrum: Tensor, width: int) -> Tensor:
    """Frequencies up to `width`, (N, C, 2 width + 1, width + 1), of a real transform (N, C, H, W // 2 + 1)."""
    return spectrum[..., _rows(width, spectrum.device), : width + 1].contiguous()


def exchange(x: Tensor, amplitude: Tensor, width: int) -> Tensor:
    """Images (N, C, H, W) with the given amplitude at frequencies up to `width`.

    Args:
        amplitude: (N, C, 2 width + 1, width + 1).
    """
    spectrum = torch.fft.rfft2(x)
    own = low(spectrum, width)
    spectrum[..., _rows(width, x.device), : width + 1] = torch.polar(amplitude, own.angle())
    exchanged: Tensor = torch.fft.irfft2(spectrum, s=x.shape[-2:])
    return exchanged
