"""Small segmentation problems: images of discs, and a simulator of strokes."""

import torch

from synth2real.data.domains import Labelled
from synth2real.data.labels import Masks
from synth2real.simulate import Digits

CLASSES = ("background", "disc")


def discs(count: int, seed: int, *, side: int = 32, noise: float = 0.05, level: float = 0.8) -> Labelled:
    """One bright disc on a dark ground in each image, (count, 1, side, side) uint8."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    middle = torch.rand(count, 2, 1, 1, generator=generator) * (side - 16) + 8
    inside = (columns - middle[:, 0]) ** 2 + (rows - middle[:, 1]) ** 2 < 36
    grey = torch.where(inside, level, 0.2) + noise * torch.randn(count, side, side, generator=generator)
    images = (grey.clamp(0, 1) * 255).round().to(torch.uint8)
    return Labelled(images[:, None], Masks(inside.to(torch.uint8)), classes=CLASSES)


def hot(masks: torch.Tensor, classes: int = 2, sure: float = 1.0) -> torch.Tensor:
    """Probabilities (N, C, h, w) of masks: `sure` for the class of the mask, the rest for the others."""
    one = torch.nn.functional.one_hot(masks.long(), classes).movedim(-1, 1).float()
    return one * sure + (1 - one) * (1 - sure) / (classes - 1)


class Strokes(Digits):
    """Digits of which each pixel is labelled: paper or stroke."""

    def labelled(self, n, seed, label=None, given=()):
        images = self.sample(n, seed).images
        return Labelled(images, Masks((images[:, 0] > 127).to(torch.uint8)), classes=("paper", "stroke"))
