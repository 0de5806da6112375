"""Subsets of inputs: some samples of a domain, in memory without a copy, sparse, or on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .names import Names

if TYPE_CHECKING:
    from .domains import Inputs

COPIED = 2**28  # bytes; a larger part of a set in memory is not copied


class Part:
    """Some samples of inputs in memory. They are taken batch by batch, so that a large part is not copied.

    Args:
        inputs: all samples (N, ...).
        index: of the samples, (M,) int64.
    """

    def __init__(self, inputs: Tensor, index: Tensor) -> None:
        self.inputs, self.index = inputs, index
        self.shape = torch.Size((len(index), *inputs.shape[1:]))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        return self.inputs[self.index[index]]

    def subset(self, index: Tensor) -> Inputs:
        """The samples at `index` (B,) int64 of this part; a small part is copied."""
        return chosen(self.inputs, self.index[index])


def chosen(inputs: Inputs, index: Tensor) -> Inputs:
    """The inputs at `index` (B,) int64, in that order. Those on disk stay there, and sparse ones stay sparse."""
    subset: Callable[[Tensor], Inputs] | None = getattr(inputs, "subset", None)
    if subset is not None:
        return subset(index)
    if isinstance(inputs, Tensor) and len(index) * inputs[:1].nbytes > COPIED:
        return Part(inputs, index)
    return inputs[index]


def chosen_names(names: Sequence[str], index: Tensor) -> Sequence[str]:
    """The names at `index`; empty if there are none."""
    if isinstance(names, Names):
        return names.subset(index.numpy())
    return tuple(names[i] for i in index.tolist()) if names else ()
