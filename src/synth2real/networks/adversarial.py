"""What adversarial refiners are made of: history, losses, critics, a translator; what steers and watches the game."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Centred, Residual, clip, silence


class History(nn.Module):
    """Buffer of refined images, of which half of each critic batch is drawn, so that the refiner cannot cycle.

    Args:
        count: images held.
        shape: (C, H, W) of one.
    """

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.images: Tensor
        self.filled: Tensor
        self.register_buffer("images", torch.zeros(count, *shape))
        self.register_buffer("filled", torch.tensor(0))

    def mix(self, refined: Tensor) -> Tensor:
        """`refined` (B, C, H, W) with a random half exchanged for older images; half of the new ones are kept."""
        half, filled = len(refined) // 2, int(self.filled)
        mixed = refined.clone()
        older = min(half, filled)
        mixed[:older] = self.images[torch.randperm(filled)[:older]].to(refined.dtype)
        room = min(half, len(self.images) - filled)
        where = torch.cat([torch.arange(filled, filled + room), torch.randperm(max(filled, 1))[: half - room]])
        self.images[where] = (refined[-len(where) :] if len(where) else refined[:0]).to(self.images.dtype)
        self.filled += room
        return mixed


def patch_loss(logits: Tensor, real: bool) -> Tensor:
    """Cross entropy of patch logits (N, 1, h, w) where every patch is real, or none is."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def square_loss(scores: Tensor, real: bool) -> Tensor:
    """Squared distance of patch scores (N, 1, h, w) from 1, or from 0 (Mao et al. 2017): no gradient ever vanishes."""
    return (scores - float(real)).square().mean()


def slope(critic: nn.Module, real: Tensor) -> Tensor:
    """Squared norm of a patch's gradient at real images, the mean over patches (R1, Mescheder, Geiger & Nowozin 2018).

    An unbiased estimate from one pass: with random signs the gradients of patches that overlap add up as squares do, so
    that one weight serves images of 8 by 8, of which every patch sees all, and of 35 by 55. Of their plain sum the
    square grows with the patches that see a pixel, and the critic of a larger image learns nothing.
    """
    real = real.detach().requires_grad_()
    logits = critic(real)
    signs = 2 * torch.randint(2, logits.shape, device=logits.device).to(logits.dtype) - 1
    (gradient,) = torch.autograd.grad((signs * logits).sum(), real, create_graph=True)
    squared: Tensor = gradient.square().sum() / logits.numel()
    return squared


class PaperCritic(Centred):
    """The local critic of the SimGAN paper's appendix, made for 35 by 55: a logit for each patch, (N, 1, h, w).

    The paper ends in two maps and a softmax over them; the one logit, their difference, is the same critic.
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
    """One logit for the whole image, (N, 1, 1, 1), read off a local critic's patches: what a patch critic is not."""

    def __init__(self, patches: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.patches = patches
        self.whole = nn.Linear(patches(torch.zeros(1, *shape)).numel(), 1)

    def forward(self, x: Tensor) -> Tensor:
        logit: Tensor = self.whole(self.patches(x).flatten(1))
        return logit[..., None, None]


def _convolution(channels: int, maps: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, maps, kernel, stride, padding=kernel // 2),
        nn.GroupNorm(math.gcd(maps, 8), maps),
        nn.ReLU(),
    )


class Translator(nn.Module):
    """Image to image through half the resolution, so that it sees farther than a refiner does; keeps size and range.

    Like the refiner it predicts a change of its input, which is zero before training. Group instead of instance
    normalisation: small images leave few pixels to normalise by.

    Args:
        channels: of the image.
        maps: of the first layer; twice as many at half the resolution.
        blocks: residual blocks (9 in CycleGAN and CUT, on images of 256 by 256).
    """

    def __init__(self, channels: int, maps: int = 32, blocks: int = 3) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                _convolution(channels, maps, 5),
                _convolution(maps, 2 * maps, 3, stride=2),
                *(Residual(2 * maps) for _ in range(blocks)),
            ]
        )
        self.widths = (maps, *([2 * maps] * (blocks + 1)))
        last = nn.Conv2d(maps, channels, 3, padding=1)
        silence(last)
        self.decoder = nn.Sequential(_convolution(2 * maps, maps, 3), last)

    def features(self, x: Tensor) -> list[Tensor]:
        """Maps after each stage of the encoder, their widths `self.widths`."""
        maps, found = 2 * x - 1, []
        for stage in self.stages:
            maps = stage(maps)
            found.append(maps)
        return found

    def forward(self, x: Tensor) -> Tensor:
        up = F.interpolate(self.features(x)[-1], x.shape[2:])
        return clip(x + torch.tanh(self.decoder(up)))


class Steered(nn.Module):
    """A weight that rises while what it holds down is above a level, and falls while that is below.

    Ascent on the multiplier of a constraint, in logarithms. A fixed weight of an L1 distance has no such middle: what
    pulls a pixel less than the weight moves it not at all, and what pulls it more moves it until it is elsewhere.

    Args:
        level: to hold, above 0.
        weight: to begin with.
        speed: most that an update changes the weight by, as a share; at 0 it stays.
    """

    def __init__(self, level: float, weight: float, speed: float) -> None:
        super().__init__()
        self.level, self.speed = level, speed
        self.weight: Tensor
        self.register_buffer("weight", torch.tensor(weight))

    @torch.no_grad()
    def update(self, value: Tensor) -> None:
        """Take in a scalar that is to be held at the level."""
        self.weight *= (self.speed * (value / self.level - 1).clamp(-1, 1)).exp()


class Watch:
    """Means of what was measured over the later half of a training, by name."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Tensor]] = {}

    def see(self, name: str, value: Tensor) -> None:
        """Keep a scalar."""
        self._seen.setdefault(name, []).append(value.detach())

    def mean(self, name: str, least: int) -> float | None:
        """Mean of the later half; None where fewer than `least` were seen in all."""
        seen = self._seen.get(name, [])
        return float(torch.stack(seen[len(seen) // 2 :]).mean()) if len(seen) >= least else None
