"""What the machine can do at most, measured; and what a computation asks for, counted."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.lib.timing import ROUNDS, interleaved, timed

SIDE = 2048  # of the matrices of the peak
COPIED = 2**26  # bytes that are copied, more than caches hold
PIECE = 2**18  # bytes that caches hold
FLOPS: dict[Any, Any] = flop_registry


def operations_per_second(dtype: torch.dtype = torch.float32, rounds: int = ROUNDS) -> float:
    """The most operations a second (multiplications and additions) of a matrix product."""
    one, other = (torch.rand(SIDE, SIDE, dtype=dtype) for _ in range(2))
    seconds = interleaved({"": timed(lambda: torch.mm(one, other))}, rounds)[""]
    return 2 * SIDE**3 / min(seconds)


def bytes_per_second(size: int = COPIED, rounds: int = ROUNDS) -> float:
    """The most bytes a second, read and written, of copies of `size` bytes."""
    one, turns = torch.rand(size // 4), max(1, COPIED // size)
    other = torch.empty_like(one)

    def copies() -> None:
        for _ in range(turns):
            other.copy_(one)

    seconds = interleaved({"": timed(copies)}, rounds)[""]
    return 2 * turns * one.nbytes / min(seconds)


class Counted(TorchDispatchMode):
    """Within it, counts what torch computes: `operations`, `bytes` that are read and written, and `calls`.

    Matrix products and convolutions count their multiplications and additions, other calls one operation for each value
    of their largest tensor. Bytes are those of all arguments and results, each once a call. Views cost nothing.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations, self.bytes, self.calls = 0, 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func.is_view:
            return made
        results, arguments = _tensors(made), _tensors([args, list((kwargs or {}).values())])
        if func.overloadpacket in FLOPS:
            self.operations += int(FLOPS[func.overloadpacket](*args, **(kwargs or {}), out_val=made))
        else:
            self.operations += max((one.numel() for one in [*results, *arguments]), default=0)
        # An expanded tensor has fewer bytes than its shape says.
        self.bytes += sum(min(one.nbytes, one.untyped_storage().nbytes()) for one in [*results, *arguments])
        self.calls += 1
        return made


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for one in value for tensor in _tensors(one)]
    return []


def least_seconds(operations: float, moved: float, dtype: torch.dtype = torch.float32) -> float:
    """The fewest seconds in which this machine does so many operations and moves so many bytes, both at once."""
    return max(operations / operations_per_second(dtype), moved / bytes_per_second())
