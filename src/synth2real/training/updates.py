"""What passes between the training loop, an algorithm and a randomization: batches, updates on them, gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..transforms.mix import Mix, Mosaic
from ..transforms.sampling import Rows
from ..transforms.warp import Warp

Terms = tuple[float | Tensor, Tensor]


@dataclass(frozen=True)
class Progress:
    """Progress of the training: the current step, counted from 0, and the number of steps."""

    step: int
    steps: int

    @property
    def fraction(self) -> float:
        """0 at the first step, close to 1 at the last step."""
        return self.step / self.steps


@dataclass(frozen=True)
class Speed:
    """Speed of a training: steps a second, and the share in 0..1 of its time in which it waited for data."""

    steps_per_second: float
    waiting: float


class Randomize(Protocol):
    """Interface of a randomization policy for the training loop."""

    def draw(self, x: Tensor, generator: torch.Generator, rows: Rows | None = None) -> tuple[Tensor, Warp | None]:
        """Randomized images of the same shape and range, and the warp that was applied to them.

        Args:
            rows: which images of a batch these are, on one of several processes. They are changed as they would be in
                the whole batch, and the warp is that of the whole batch.
        """
        ...

    def mix(self, x: Tensor, generator: torch.Generator) -> Mix | Mosaic | None:
        """How labelled images are mixed with each other, after all other transforms. None: they are not mixed."""
        ...


@dataclass(frozen=True)
class SourceBatch:
    """A batch of labelled source samples.

    `x` holds the randomized inputs, and `y` the labels (`data.labels.Labels`) after the same warp. `clean` holds the
    inputs before randomization. If the randomization mixes images, `y` is mixed too; class labels are then shares
    (N, C) instead of indices. `domain`, (N, K) float32, holds the share of each of K sources. It is None if there is
    only one source.
    """

    x: Tensor
    y: Any
    clean: Tensor
    domain: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def subset(self, index: Tensor) -> SourceBatch:
        """The samples at `index` (B,) int64."""
        domain = None if self.domain is None else self.domain[index]
        return SourceBatch(self.x[index], self.y[index], self.clean[index], domain)


@dataclass(frozen=True)
class TargetBatch:
    """A batch of unlabelled target samples.

    `x` holds the randomized inputs. `warp` is the warp that was applied to them, or None. `clean` holds the inputs
    before randomization. `index`, (B,) int64, holds the indices of the samples in the target.
    """

    x: Tensor
    clean: Tensor
    warp: Warp | None
    index: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def subset(self, index: Tensor) -> TargetBatch:
        """The samples at `index` (B,) int64."""
        warp = None if self.warp is None else self.warp.subset(index)
        of = None if self.index is None else self.index[index.to(self.index.device)]
        return TargetBatch(self.x[index], self.clean[index], warp, of)


def parted(source: SourceBatch, target: TargetBatch, count: int) -> list[tuple[float, tuple[SourceBatch, TargetBatch]]]:
    """Both batches in `count` parts of about one size, each with its share of the samples. Shares add up to 1."""
    if count == 1:
        return [(1.0, (source, target))]
    ours, theirs = (torch.arange(len(batch), device=batch.x.device).tensor_split(count) for batch in (source, target))
    whole = max(len(source), len(target))
    return [
        (max(len(one), len(other)) / whole, (source.subset(one), target.subset(other)))
        for one, other in zip(ours, theirs, strict=True)
    ]


def check_parts(batch: int, count: int) -> None:
    """Raise `InputError` if a batch cannot be computed in so many parts."""
    if not 1 <= count <= batch:
        raise InputError(f"accumulate is {count}, expected 1 to {batch} parts of a batch of {batch}")


class Update:
    """One optimizer step of some networks on one weighted sum of loss terms.

    Args:
        of: the networks that this update trains. All other networks are frozen in this update.
        terms: each is `name=(weight, scalar loss)`. A weight may be a scalar tensor.
    """

    def __init__(self, *, of: tuple[nn.Module, ...], **terms: Terms) -> None:
        self.of, self.terms = of, terms

    def loss(self) -> Tensor:
        """The weighted sum, a scalar."""
        return torch.stack([weight * term for weight, term in self.terms.values()]).sum()


@dataclass
class Gradients:
    """The gradients of one update, or their weighted sum over the parts of a batch.

    Args:
        update: names the networks.
        loss: a scalar.
        terms: the unweighted loss terms, without gradients.
        parameters, each: parameters of the networks and their gradients; None if a parameter was not used.
    """

    update: Update
    loss: Tensor
    terms: dict[str, Tensor]
    parameters: list[nn.Parameter]
    each: list[Tensor | None]

    def scaled(self, share: float) -> Gradients:
        """The same with a share of the whole batch."""
        if share == 1:
            return self
        terms = {name: share * term for name, term in self.terms.items()}
        each = [None if one is None else one * share for one in self.each]
        return replace(self, loss=share * self.loss, terms=terms, each=each)

    def plus(self, other: Gradients) -> Gradients:
        """The sum with the same update of another part."""
        if self.update.of != other.update.of:
            raise InputError(
                "the method takes other updates for one part of a batch than for another, so their gradients cannot be "
                "accumulated. Leave out --accumulate (accumulate=1)"
            )
        each = [
            one if two is None else two if one is None else one + two
            for one, two in zip(self.each, other.each, strict=True)
        ]
        terms = {**other.terms, **self.terms}
        terms |= {name: self.terms[name] + other.terms[name] for name in self.terms.keys() & other.terms.keys()}
        return replace(self, loss=self.loss + other.loss, terms=terms, each=each)
