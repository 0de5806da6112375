"""What maps that are drawn for a whole batch share: which images an operation acts on, and on which device all is."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..errors import InputError

Selection = Mapping[str, Tensor]  # for an operation the images (N,) bool that it acts on; all where it is not named
Map = TypeVar("Map")


def kept(values: Tensor, chosen: Selection | None, name: str, neutral: float = 0.0) -> Tensor:
    """Draws (N, ...) of one operation for the images it is chosen for, and for the others what changes nothing."""
    if chosen is None or name not in chosen:
        return values
    return values.where(chosen[name].view(-1, *[1] * (values.ndim - 1)), neutral)


@functools.lru_cache(maxsize=256)
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """The values, float32, on `device`; kept, never to be written to, since each copy makes an accelerator wait."""
    with torch.inference_mode(False):  # so that what is kept may stand in a gradient's graph
        return torch.tensor(values, dtype=torch.float32, device=device)


def to_device(drawn: Map, device: torch.device | str) -> Map:
    """The same map, a dataclass of tensors and plain values, on `device`."""
    parts: dict[str, Any] = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(drawn).items()}
    return dataclasses.replace(drawn, **parts)  # type: ignore[type-var]


def apply_where(x: Tensor, amount: Tensor, act: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Images x (N, C, H, W), those whose amount (N, ...) is above 0 in place of themselves as `act` makes them.

    Args:
        act: from some of the images (M, C, H, W) and their places (M,) int64 to as many changed ones.
    """
    where = amount.flatten().nonzero().flatten()
    if len(where) == 0:
        return x
    if len(where) == len(x):
        return act(x, where)
    return x.index_copy(0, where, act(x[where], where))


def check_fractions(**amplitudes: tuple[float, str]) -> None:
    """Raise `InputError` where an amplitude, given with what it is, lies outside 0..1."""
    for name, (value, what) in amplitudes.items():
        if not 0 <= value <= 1:
            raise InputError(f"{name}={value}: expected 0 to 1, {what}")
