"""Helpers of the sampled transforms: selection of images for each operation, constants, and devices."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor

from ..errors import InputError

Selection = Mapping[str, Tensor]  # operation to the images (N,) bool that it changes; a missing operation changes all
Map = TypeVar("Map")


@dataclass(frozen=True)
class Rows:
    """Consecutive images of a batch: transforms are sampled for the whole batch, and applied to these images alone.

    Args:
        start, stop: the first image, and the one after the last.
        whole: number of images in the batch.
    """

    start: int
    stop: int
    whole: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def own(self) -> slice:
        """Index of these images in a tensor (N, ...) of the whole batch."""
        return slice(self.start, self.stop)

    def taken(self, values: Tensor) -> Tensor:
        """Of sampled values (N, ...) those of these images; an empty tensor, of an unused operation, stays empty."""
        return values[self.own] if len(values) else values


class Sampled(Protocol):
    """A transform that is sampled for a batch of images."""

    def part(self, rows: Rows) -> Self: ...


Part = TypeVar("Part", bound=Sampled)


def part_of(sampled: Part, rows: Rows | None) -> Part:
    """The transform of some images of the batch; of all of them for None."""
    return sampled if rows is None else sampled.part(rows)


def kept(values: Tensor, chosen: Selection | None, name: str, neutral: float = 0.0) -> Tensor:
    """Sampled values (N, ...) of one operation. Images that are not chosen get the neutral value."""
    if chosen is None or name not in chosen:
        return values
    return values.where(chosen[name].view(-1, *[1] * (values.ndim - 1)), neutral)


def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """The values as float32 on `device`. Do not modify this tensor: it is cached, as each copy makes a GPU wait."""
    if torch.compiler.is_compiling():  # a tensor of the trace of an export cannot be used after it
        return torch.tensor(values, dtype=torch.float32, device=device)
    return _cached(values, device)


@functools.lru_cache(maxsize=256)
def _cached(values: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # so that the cached tensor can be used with autograd
        return torch.tensor(values, dtype=torch.float32, device=device)


def to_device(sampled: Map, device: torch.device | str) -> Map:
    """The same transform (a dataclass of tensors and plain values) on `device`."""
    parts: dict[str, Any] = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(sampled).items()}
    return dataclasses.replace(sampled, **parts)  # type: ignore[type-var]


def apply_where(x: Tensor, amount: Tensor, act: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Apply `act` to the images x (N, C, H, W) whose amount (N, ...) is above 0. The other images do not change.

    Args:
        act: function of some images (M, C, H, W) and their indices (M,) int64 that returns the changed images.
    """
    where = amount.flatten().nonzero().flatten()
    if len(where) == 0:
        return x
    if len(where) == len(x):
        return act(x, where)
    return x.index_copy(0, where, act(x[where], where))


def check_fractions(**amplitudes: tuple[float, str]) -> None:
    """Raise `InputError` if an amplitude is outside 0..1. Each amplitude comes with its description."""
    for name, (value, what) in amplitudes.items():
        if not 0 <= value <= 1:
            raise InputError(f"{name}={value}: expected 0 to 1, {what}")
