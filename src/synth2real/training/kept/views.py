"""Views: what a frozen feature extractor answers for images and for randomized views of them."""

from __future__ import annotations

import torch
from torch import Tensor


class Views:
    """The outputs (N, F) of a frozen extractor for images, and for K randomized views of each.

    `views[index]` are those of the images, (B, F) float32.

    Args:
        plain: of the images, (N, F) float16.
        randomized: of the views, (K, N, F) float16; None without randomization.
        shift: (F,) float32, added to all of them.
    """

    def __init__(self, plain: Tensor, randomized: Tensor | None = None, shift: Tensor | None = None) -> None:
        self.plain, self.randomized, self.shift = plain, randomized, shift
        self.shape = plain.shape

    def __len__(self) -> int:
        return len(self.plain)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        return self._shifted(self.plain[index])

    def draw(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """A random view of each sample of `index`, (B, F) float32."""
        if self.randomized is None:
            return self[index]
        which = torch.randint(len(self.randomized), index.shape, generator=generator, device=generator.device)
        return self._shifted(self.randomized[which.to(index.device), index])

    def subset(self, index: Tensor) -> Views:
        """The samples at `index` (B,) int64."""
        randomized = None if self.randomized is None else self.randomized[:, index]
        return Views(self.plain[index], randomized, self.shift)

    def every(self) -> Tensor:
        """All randomized views (K, N, F) float32, or the plain images (1, N, F) without randomization."""
        return self._shifted(self.plain[None] if self.randomized is None else self.randomized)

    def mean(self) -> Tensor:
        """The mean over `every`, (F,) float32."""
        return self.every().mean((0, 1))

    def _shifted(self, features: Tensor) -> Tensor:
        return features.float() if self.shift is None else features.float() + self.shift
