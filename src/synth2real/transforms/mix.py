"""Mix: combine two images by blending or by a patch, and combine their labels by the share of each image."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from .photometric import outside
from .warp import layout

STEPS = 1024  # entries of the quantile table of a beta distribution


@dataclass(frozen=True)
class Mix:
    """For each of N images, another image of the batch to mix with it. Build it with `sample`.

    Args:
        partner: (N,) int64, index of the other image.
        opacity: (N, 1, 1, 1) float32 in 0..1, weight of the image itself in every pixel outside the patch.
        patch: (N, 4) float32, top, left, height and width of the patch, in fractions of the frame. The patch shows only
            the other image.
        size: height and width of the images in pixels.
    """

    partner: Tensor
    opacity: Tensor
    patch: Tensor
    size: tuple[int, int]

    @classmethod
    def sample(
        cls, n: int, size: tuple[int, int], *, mixup: float = 0.0, cutmix: float = 0.0, generator: torch.Generator
    ) -> Mix:
        """Sample partners and shares for n images of `size` (H, W).

        If both mixup and cutmix are above 0, each image uses one of them, with equal probability.

        Args:
            mixup, cutmix: alpha of the distribution Beta(alpha, alpha) of the share of the image itself. Near 0, one of
                the two images dominates. At 1, the share is uniform. 0 disables the operation.
            generator: generator of all random values. The mix is on its device.

        Raises:
            InputError: an alpha is negative, or both are 0.

        References:
            Zhang, Cisse, Dauphin & Lopez-Paz (2018). mixup: beyond empirical risk minimization. ICLR.
            Yun, Han, Oh, Chun, Choe & Yoo (2019). CutMix. ICCV.
        """
        if min(mixup, cutmix) < 0 or max(mixup, cutmix) == 0:
            raise InputError(f"mixup={mixup}, cutmix={cutmix}: expected two numbers of 0 or more, at least one above 0")
        where = generator.device
        partner = torch.randperm(n, generator=generator, device=where)
        uniform = torch.rand(n, 4, generator=generator, device=where)
        cuts = uniform[:, 0] < (0.5 if mixup and cutmix else float(cutmix > 0))
        shares = torch.where(cuts, _beta(uniform[:, 1], cutmix), _beta(uniform[:, 1], mixup))
        side = (1 - shares).sqrt().where(cuts, 0)[:, None].expand(n, 2)
        patch = torch.cat([uniform[:, 2:] * (1 - side), side], 1)
        return cls(partner, shares.where(~cuts, 1.0).view(n, 1, 1, 1), patch, size)

    def image(self, x: Tensor) -> Tensor:
        """Mix images x (N, C, H, W) float32 with each other. The memory format does not change.

        Raises:
            InputError: the number or size of the images differs from that of the mix.
        """
        if len(x) != len(self.partner) or tuple(x.shape[2:]) != self.size:
            n, (height, width) = len(self.partner), self.size
            raise InputError(f"images of shape {tuple(x.shape)}: the mix expects ({n}, C, {height}, {width})")
        own = self.opacity * outside(self.patch, *self.size)
        return torch.lerp(x[self.partner], x, own).contiguous(memory_format=layout(x))

    def labels(self, y: Tensor) -> Tensor:
        """Mix labels y (N, K) float32 by the share of each image in the pixels."""
        return torch.lerp(y[self.partner], y, self.share[:, None])

    def shown(self) -> Tensor:
        """(N, H, W) bool: the pixels that show the image itself, which a blend does for the most part or not at all."""
        return ((self.opacity * outside(self.patch, *self.size)) >= 0.5)[:, 0]

    @property
    def share(self) -> Tensor:
        """(N,) float32 in 0..1, share of the image itself in all pixels."""
        own: Tensor = (self.opacity * outside(self.patch, *self.size)).mean((1, 2, 3))
        return own


@dataclass(frozen=True)
class ClassMix:
    """Regions of some classes that are pasted from one image onto another. Build it with `sample`.

    Args:
        region: (N, 1, H, W) bool, the pixels that show the pasted image.

    References:
        Olsson, Tranheden, Pinto & Svensson (2021). ClassMix. WACV. arXiv:2007.07936.
        Tranheden, Olsson, Pinto & Svensson (2021). DACS: domain adaptation via cross-domain mixed sampling. WACV.
    """

    region: Tensor

    @classmethod
    def sample(cls, masks: Tensor, ignored: int, share: float, generator: torch.Generator | None = None) -> ClassMix:
        """Half of the classes of each mask (N, H, W) uint8, rounded up, in a share of the images; else nothing.

        The first class is pasted only with others, since it is the background.
        """
        n, many = len(masks), int(ignored)
        present = torch.zeros(n, many + 1, dtype=torch.bool, device=masks.device)
        present.scatter_(1, masks.flatten(1).long(), True)
        present[:, ignored] = False
        order = torch.rand(n, many + 1, generator=generator, device=masks.device)
        order[:, 0] += 1  # chosen last
        rank = order.where(present, torch.inf).argsort(1).argsort(1)
        chosen = present & (rank < (present.sum(1, keepdim=True) + 1) // 2)
        chosen &= torch.rand(n, 1, generator=generator, device=masks.device) < share
        return cls(chosen.gather(1, masks.flatten(1).long()).view_as(masks)[:, None])

    def paste(self, pasted: Tensor, under: Tensor) -> Tensor:
        """Images or maps (N, C, H, W) that show `pasted` in the region, and `under` elsewhere."""
        return torch.where(self.region, pasted, under)


def _beta(uniform: Tensor, alpha: float) -> Tensor:
    """Quantiles of Beta(alpha, alpha) at uniform values (N,); 1 for alpha 0."""
    if alpha == 0:
        return torch.ones_like(uniform)
    table, at = _quantiles(alpha).to(uniform.device), uniform * STEPS
    low = at.long().clamp(max=STEPS - 1)
    return torch.lerp(table[low], table[low + 1], at - low)


@functools.cache
def _quantiles(alpha: float) -> Tensor:
    from scipy.special import betaincinv

    return torch.from_numpy(betaincinv(alpha, alpha, torch.linspace(0, 1, STEPS + 1).double().numpy())).float()
