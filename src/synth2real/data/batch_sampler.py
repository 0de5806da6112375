"""Samples the batch of each training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from .domains import Inputs


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

    def _part(self, epoch: int, start: int, most: int) -> Tensor:
        """At most `most` samples of an epoch, from `start` on; at least one."""
        return self._permutation(epoch)[start : start + most]

    def __call__(self, step: int) -> Tensor:
        """Indices (batch,) int64 of the samples in the batch of `step`. Steps count from 0."""
        if self.weights is not None:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            return torch.multinomial(self.weights, self.batch, replacement=True, generator=generator)
        start, parts, missing = step * self.batch, [], self.batch
        while missing:
            part = self._part(*divmod(start, self.count), missing)
            parts.append(part)
            start, missing = start + len(part), missing - len(part)
        return torch.cat(parts)


@dataclass(frozen=True)
class Runs:
    """How samples lie on disk: runs that are each read in one piece.

    Args:
        lengths: (R,) int64, samples of each run, which follow one another.
        together: runs that are shuffled with each other, and read in turn.
        order: (N,) int64, the index of each sample in the order of the runs; None if they are counted in that order.
    """

    lengths: NDArray[np.int64]
    together: int
    order: NDArray[np.int64] | None = None


class ShardSampler(BatchSampler):
    """Samples batches from runs of samples: each epoch shuffles the runs, and then the samples of some runs at a time.

    So few runs are read at once, each of them once an epoch, and no permutation of all samples is kept. The batch of a
    step depends only on the seed and the step, and every sample is used once before any is used again, as in
    `BatchSampler`.

    Args:
        runs: of all samples.
        batch, seed: as in `BatchSampler`.
    """

    def __init__(self, runs: Runs, batch: int, seed: int) -> None:
        super().__init__(int(runs.lengths.sum()), batch, seed)
        self.runs = runs
        self.firsts = runs.lengths.cumsum() - runs.lengths
        self._epoch: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None
        self._buffer: tuple[int, int, Tensor] | None = None

    def _shuffled(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The runs of an epoch in order, and where each buffer of them ends."""
        if self._epoch is None or self._epoch[0] != epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            order = torch.randperm(len(self.firsts), generator=generator).numpy()
            starts = np.arange(0, len(order), self.runs.together)
            self._epoch = (epoch, order, np.add.reduceat(self.runs.lengths[order], starts).cumsum())
        return self._epoch[1], self._epoch[2]

    def _part(self, epoch: int, start: int, most: int) -> Tensor:
        order, ends = self._shuffled(epoch)
        which = int(np.searchsorted(ends, start, "right"))
        if self._buffer is None or self._buffer[:2] != (epoch, which):
            some = order[which * self.runs.together : (which + 1) * self.runs.together]
            samples = np.concatenate([np.arange(f, f + n) for f, n in zip(*self._of(some), strict=True)])
            samples = samples if self.runs.order is None else self.runs.order[samples]
            mixed = np.random.default_rng([abs(self.seed), self.seed < 0, epoch, which]).permutation(samples)
            self._buffer = (epoch, which, torch.from_numpy(mixed))
        buffer = self._buffer[2]
        within = start - int(ends[which]) + len(buffer)
        return buffer[within : within + most]

    def _of(self, runs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First samples and lengths of some runs."""
        return self.firsts[runs], self.runs.lengths[runs]


def sampler_of(inputs: Inputs, batch: int, seed: int, weights: Tensor | None = None) -> BatchSampler:
    """The sampler for inputs: those that say how they lie on disk (`runs`) are read run by run, unless with weights."""
    runs: Runs | None = getattr(inputs, "runs", None)
    if runs is None or weights is not None:
        return BatchSampler(len(inputs), batch, seed, weights)
    return ShardSampler(runs, batch, seed)
