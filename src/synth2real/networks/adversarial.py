"""Parts of adversarial refiners: losses, critics, translator, constraint weight and training statistics."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Centred, Residual, clip, silence


def patch_loss(logits: Tensor, real: bool) -> Tensor:
    """Cross entropy of patch logits (N, 1, h, w). All patches have the same label, real or not real."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def square_loss(scores: Tensor, real: bool) -> Tensor:
    """Squared distance of patch scores (N, 1, h, w) from 1 (real) or 0. No gradient vanishes (Mao et al. 2017)."""
    return (scores - float(real)).square().mean()


def slope(critic: nn.Module, real: Tensor) -> Tensor:
    """Mean over patches of the squared gradient norm at real images (R1, Mescheder, Geiger & Nowozin 2018).

    This is an unbiased estimate from one pass. Each patch gets a random sign, so in expectation the squared gradients
    of overlapping patches add up without cross terms. One weight then works for images of 8 by 8, where every patch
    covers the whole image, and for images of 35 by 55. Without the signs, the square grows with the number of patches
    that cover a pixel, and the critic of a larger image learns nothing.
    """
    real = real.detach().requires_grad_()
    logits = critic(real)
    signs = 2 * torch.randint(2, logits.shape, device=logits.device).to(logits.dtype) - 1
    (gradient,) = torch.autograd.grad((signs * logits).sum(), real, create_graph=True)
    squared: Tensor = gradient.square().sum() / logits.numel()
    return squared


class PaperCritic(Centred):
    """The local critic of the SimGAN paper (appendix), for images of 35 by 55: one logit per patch, (N, 1, h, w).

    The paper's critic ends in two maps and a softmax. One logit, the difference of the two maps, is equivalent.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, 96, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(96, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=1, padding=1),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 1),
            nn.ReLU(),
            nn.Conv2d(32, 2, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        return x[:, 1:] - x[:, :1]


class GlobalCritic(nn.Module):
    """One logit for the whole image, (N, 1, 1, 1): a linear layer on the output patches of a local critic."""

    by_rows = True

    def __init__(self, patches: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.patches = patches
        self.whole = nn.Linear(patches(torch.zeros(1, *shape)).numel(), 1)

    def forward(self, x: Tensor) -> Tensor:
        logit: Tensor = self.whole(self.patches(x).flatten(1))
        return logit[..., None, None]


def convolution(channels: int, maps: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, maps, kernel, stride, padding=kernel // 2),
        nn.GroupNorm(math.gcd(maps, 8), maps),
        nn.ReLU(),
    )


class Translator(nn.Module):
    """Image-to-image network that works at half the resolution. It keeps the image size and value range.

    Its receptive field is larger than that of a refiner. Like the refiner, it predicts a change of its input, which is
    zero before training. It uses group instead of instance normalisation, because small images have few pixels to
    normalise over.

    Args:
        channels: channels of the image.
        maps: feature maps of the first layer; twice as many at half the resolution.
        blocks: residual blocks (9 in CycleGAN and CUT, on images of 256 by 256).
    """

    by_rows = True

    def __init__(self, channels: int, maps: int = 32, blocks: int = 3) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                convolution(channels, maps, 5),
                convolution(maps, 2 * maps, 3, stride=2),
                *(Residual(2 * maps) for _ in range(blocks)),
            ]
        )
        self.widths = (maps, *([2 * maps] * (blocks + 1)))
        last = nn.Conv2d(maps, channels, 3, padding=1)
        silence(last)
        self.decoder = nn.Sequential(convolution(2 * maps, maps, 3), last)

    def features(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each stage of the encoder. `self.widths` are their channel counts."""
        maps, found = 2 * x - 1, []
        for stage in self.stages:
            maps = stage(maps)
            found.append(maps)
        return found

    def forward(self, x: Tensor) -> Tensor:
        up = F.interpolate(self.features(x)[-1], x.shape[2:])
        return clip(x + torch.tanh(self.decoder(up)))


class Steered(nn.Module):
    """Weight of a constrained term. It rises while the term is above a level, and falls while the term is below.

    This is gradient ascent on the logarithm of a Lagrange multiplier. A fixed weight of an L1 distance cannot hold a
    level: a gradient smaller than the weight does not change a pixel at all, and a larger gradient changes it without
    limit.

    Args:
        level: value at which to hold the term, above 0.
        weight: initial weight.
        speed: largest relative change of the weight in one update; 0 keeps the weight fixed.
    """

    def __init__(self, level: float, weight: float, speed: float) -> None:
        super().__init__()
        self.level, self.speed = level, speed
        self.weight: Tensor
        self.register_buffer("weight", torch.tensor(weight))

    @torch.no_grad()
    def update(self, value: Tensor) -> None:
        """Update the weight from the current value of the term, a scalar."""
        self.weight *= (self.speed * (value / self.level - 1).clamp(-1, 1)).exp()


class Watch:
    """Records scalars by name, and averages each over the second half of the training."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Tensor]] = {}

    def see(self, name: str, value: Tensor) -> None:
        """Record a scalar."""
        self._seen.setdefault(name, []).append(value.detach())

    def mean(self, name: str, least: int) -> float | None:
        """Mean of the second half of the values; None if fewer than `least` values were recorded in total."""
        seen = self._seen.get(name, [])
        return float(torch.stack(seen[len(seen) // 2 :]).mean()) if len(seen) >= least else None
