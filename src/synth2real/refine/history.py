"""The history of refined images that a critic is trained on (Shrivastava et al. 2017, section 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class History(nn.Module):
    """Buffer of earlier refined images. Half of each critic batch comes from it, so that the refiner cannot cycle.

    Args:
        count: capacity in images.
        shape: (C, H, W) of one image.
    """

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.images: Tensor
        self.filled: Tensor
        self.register_buffer("images", torch.zeros(count, *shape))
        self.register_buffer("filled", torch.tensor(0))

    def mix(self, refined: Tensor) -> Tensor:
        """Replace half of `refined` (B, C, H, W) by older images, and store half of the new images."""
        half, filled = len(refined) // 2, int(self.filled)
        mixed = refined.clone()
        older = min(half, filled)
        mixed[:older] = self.images[torch.randperm(filled)[:older]].to(refined.dtype)
        free = min(half, len(self.images) - filled)
        where = torch.cat([torch.arange(filled, filled + free), torch.randperm(max(filled, 1))[: half - free]])
        self.images[where] = (refined[-len(where) :] if len(where) else refined[:0]).to(self.images.dtype)
        self.filled += free
        return mixed
