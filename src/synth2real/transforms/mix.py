"""Mix: combine images by blending, by a patch or by quarters, and combine their labels by the share of each image."""

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

    def parts(self) -> list[tuple[Tensor, Tensor]]:
        """The images that are seen: indices (N,) in the batch, and the pixels (N, H, W) bool that show them."""
        index = torch.arange(len(self.partner), device=self.partner.device)
        own = self.shown() | (self.partner == index)[:, None, None]
        return [(index, own), (self.partner, ~own)]

    @property
    def share(self) -> Tensor:
        """(N,) float32 in 0..1, share of the image itself in all pixels."""
        own: Tensor = (self.opacity * outside(self.patch, *self.size)).mean((1, 2, 3))
        return own


@dataclass(frozen=True)
class Mosaic:
    """For each of N images, four quarters of which each shows an image of the batch. Build it with `sample`.

    A quarter shows the same place of its image, in the same size: objects are as large as in the other images, and some
    are cut off.

    Args:
        images: (N, 4) int64, the image in each quarter: top left, top right, bottom left, bottom right. All four are
            the image itself where there is no mosaic.
        centre: (N, 2) int64, row and column at which the quarters meet.
        size: height and width of the images in pixels.

    References:
        Bochkovskiy, Wang & Liao (2020). YOLOv4. arXiv:2004.10934 (which also scales the four images).
    """

    images: Tensor
    centre: Tensor
    size: tuple[int, int]

    @classmethod
    def sample(cls, n: int, size: tuple[int, int], *, share: float, generator: torch.Generator) -> Mosaic:
        """Sample the other three images and the centre, in the middle half of the frame, for a share of n images.

        Args:
            share: probability of a mosaic, 0..1.
            generator: generator of all random values. The mosaic is on its device.
        """
        where = generator.device
        images = torch.randint(n, (n, 4), generator=generator, device=where)
        uniform = torch.rand(n, 4, generator=generator, device=where)
        own = torch.arange(n, device=where)
        images.scatter_(1, (uniform[:, 3:] * 4).long(), own[:, None])
        images = torch.where(uniform[:, 2:3] < share, images, own[:, None])
        centre = ((0.25 + 0.5 * uniform[:, :2]) * torch.tensor(size, device=where)).long()
        return cls(images, centre, size)

    def quarters(self) -> Tensor:
        """Which quarter each pixel is in, (N, H, W) int64 in 0..3."""
        rows, columns = (torch.arange(side, device=self.centre.device) for side in self.size)
        below, right = rows >= self.centre[:, :1], columns >= self.centre[:, 1:]
        return 2 * below[:, :, None] + right[:, None].long()

    def parts(self) -> list[tuple[Tensor, Tensor]]:
        """The images that are seen: indices (N,) in the batch, and the pixels (N, H, W) bool that show them."""
        quarters, found = self.quarters(), []
        for k in range(4):
            same = self.images == self.images[:, k : k + 1]  # an image in several quarters is seen once, in all of them
            same &= ~same[:, :k].any(1, keepdim=True)
            found.append((self.images[:, k], same.gather(1, quarters.flatten(1)).view_as(quarters)))
        return found

    def image(self, x: Tensor) -> Tensor:
        """The mosaics of images x (N, C, H, W) float32. The memory format does not change."""
        mixed = x
        for index, shown in self.parts():
            mixed = torch.where(shown[:, None], x[index], mixed)
        return mixed.contiguous(memory_format=layout(x))

    def labels(self, y: Tensor) -> Tensor:
        """Mix labels y (N, K) float32 by the share of each image in the pixels."""
        return torch.stack([shown.float().mean((1, 2))[:, None] * y[index] for index, shown in self.parts()]).sum(0)


@dataclass(frozen=True)
class BoxPaste:
    """Rectangles around some objects that are pasted from one image onto another. Build it with `sample`.

    Args:
        region: (N, 1, H, W) bool, the pixels that show the pasted image.

    References:
        Dwibedi, Misra & Hebert (2017). Cut, paste and learn. ICCV.
        Ghiasi, Cui, Srinivas, Qian, Lin, Cubuk, Le & Zoph (2021). Simple copy-paste is a strong data augmentation
        method for instance segmentation. CVPR.
    """

    region: Tensor

    @classmethod
    def sample(
        cls, corners: Tensor, image: Tensor, count: int, size: tuple[int, int], share: float, margin: float = 0.1
    ) -> BoxPaste:
        """Half of the boxes of an image, at random, in a share of `count` images of `size` (H, W).

        Args:
            corners: (M, 4) left, top, right, bottom in pixels.
            image: (M,) int64, the image of each box.
            margin: what is pasted around a box, as a share of its sides.
        """
        chosen = torch.rand(count, device=corners.device)[image] < share
        chosen &= torch.rand(len(image), device=corners.device) < 0.5
        boxes, of = corners[chosen], image[chosen]
        around = margin * (boxes[:, 2:] - boxes[:, :2])
        low, high = boxes[:, :2] - around, boxes[:, 2:] + around
        columns, rows = (torch.arange(side, device=corners.device) + 0.5 for side in (size[1], size[0]))
        across, down = (
            (at >= low[:, axis, None]) & (at < high[:, axis, None]) for axis, at in ((0, columns), (1, rows))
        )
        covered = torch.zeros(count, *size, dtype=torch.int32, device=corners.device)
        covered.index_add_(0, of, (down[:, :, None] & across[:, None]).int())
        return cls((covered > 0)[:, None])

    def paste(self, pasted: Tensor, under: Tensor) -> Tensor:
        """Images (N, C, H, W) that show `pasted` in the region, and `under` elsewhere."""
        return torch.where(self.region, pasted, under)


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
