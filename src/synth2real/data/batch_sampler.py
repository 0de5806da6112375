"""Samples the batch of each training step."""

from __future__ import annotations

import torch
from torch import Tensor


class BatchSampler:
    """Samples batches, without replacement unless there are weights. Each epoch is a new permutation of all samples.

    The batch of a step depends only on the seed and the step. A run that resumes at step k therefore gets the same
    batches as an uninterrupted run.

    Args:
        count: number of samples.
        batch: samples per step. Every sample is used once before any sample is used again.
        seed: seed of the permutations.
        weights: (count,) of 0 or more, with which samples are drawn, with replacement; None for permutations.
    """

    def __init__(self, count: int, batch: int, seed: int, weights: Tensor | None = None) -> None:
        self.count, self.batch, self.seed, self.weights = count, batch, seed, weights
        self._cached: tuple[int, Tensor] | None = None

    def _permutation(self, epoch: int) -> Tensor:
        if self._cached is None or self._cached[0] != epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._cached = (epoch, torch.randperm(self.count, generator=generator))
        return self._cached[1]

    def __call__(self, step: int) -> Tensor:
        """Indices (batch,) int64 of the samples in the batch of `step`. Steps count from 0."""
        if self.weights is not None:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            return torch.multinomial(self.weights, self.batch, replacement=True, generator=generator)
        start, parts, missing = step * self.batch, [], self.batch
        while missing:
            epoch, offset = divmod(start, self.count)
            part = self._permutation(epoch)[offset : offset + missing]
            parts.append(part)
            start, missing = start + len(part), missing - len(part)
        return torch.cat(parts)
