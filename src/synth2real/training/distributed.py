"""Training on several processes: each computes its own rows of every batch, and all of them hold the same networks.

This is the only file that knows `torch.distributed`. Algorithms see whole batches, and are written as for one process:

- Each process reads and randomizes its own rows, and gets those of the others.
- A network with the attribute `by_rows` gets the own rows of its input, and gives the outputs of all rows. Batch
  normalisation and dropout within it are those of the whole batch, see `networks.by_rows`.
- All else, such as heads, critics of features and losses, each process computes for the whole batch.

So every loss is of the whole batch, and the same on all processes. Two rules keep gradients exact. Gradients of values
that all processes hold are the same on all of them. Gradients of own rows, and of the parameters that such rows reach,
are W times their share of the whole, with W processes. The mean of all processes is then the gradient of a parameter,
whether its network works by rows or not.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from ..errors import InputError, ProcessError
from ..networks.by_rows import ByRows
from ..transforms.sampling import Rows
from ..transforms.warp import Warp, layout
from .updates import Gradients, Randomize

PATIENCE = timedelta(minutes=10)  # until a process that does not answer counts as lost
LONGER = timedelta(days=30)  # until one that still lives does, while the first one works alone
DIGEST = 7  # bytes of a fingerprint
_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor  # the name before torch 2.13


class Processes:
    """The processes of a training, seen by one of them.

    Args:
        store: of short notes (`torch.distributed.Store`), if this module has started the processes.
    """

    def __init__(self, store: Any | None = None) -> None:
        self.rank, self.count, self.store = dist.get_rank(), dist.get_world_size(), store
        self._patient = None if store is None else dist.new_group(backend="gloo", timeout=LONGER)
        self._within: list[tuple[nn.Module, ByRows]] = []  # the network that is computed by rows now

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def parts(self, whole: int) -> list[int]:
        """Number of rows of each process, of a batch of so many."""
        least, more = divmod(whole, self.count)
        return [least + (rank < more) for rank in range(self.count)]

    def rows(self, whole: int) -> Rows:
        """The own rows of a batch."""
        parts = self.parts(whole)
        start = sum(parts[: self.rank])
        return Rows(start, start + parts[self.rank], whole)

    def own(self, whole: int) -> slice:
        """Index of the own rows of a batch."""
        return self.rows(whole).own

    def gathered(self, own: Tensor, whole: int) -> Tensor:
        """All rows (whole, ...) of a batch, from the own rows of each process. Its gradient is that of the own rows."""
        return _Gathered.apply(own, self.parts(whole), self.rank)  # type: ignore[no-any-return, no-untyped-call]

    def copied(self, x: Tensor) -> Tensor:
        """The same `x`, which all processes hold, for a computation of own rows. Its gradient is of all rows."""
        return _Copy.apply(x) if x.requires_grad else x  # type: ignore[no-untyped-call]

    def randomized(self, policy: Randomize, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Warp | None]:
        """As `policy.draw` for the whole batch `clean`, of which each process changes its own rows."""
        rows = self.rows(len(clean))
        if len(clean) < self.count or "rows" not in signature(policy.draw).parameters:
            return policy.draw(clean, generator)
        x, warp = policy.draw(clean[rows.own], generator, rows)
        return self.gathered(x, len(clean)), warp

    def mean(self, gradients: Gradients) -> Gradients:
        """The mean of the gradients over all processes, and of the loss, in one exchange."""
        sizes = [parameter.numel() for parameter in gradients.parameters]
        both = torch.zeros(sum(sizes) + len(sizes) + 1, device=gradients.loss.device)
        each, present, start = [], both[sum(sizes) : -1], 0
        for i, (parameter, gradient) in enumerate(zip(gradients.parameters, gradients.each, strict=True)):
            each.append(both.as_strided(parameter.shape, parameter.stride(), start))
            start += sizes[i]
            if gradient is not None:  # one that is missing counts as zero
                each[-1].copy_(gradient)
                present[i] = 1
        both[-1] = gradients.loss
        _all_reduce(both)
        both /= self.count
        pairs = zip(each, gradients.parameters, (present > 0).tolist(), strict=True)
        kept = [one.to(parameter.dtype) if used else None for one, parameter, used in pairs]
        return replace(gradients, loss=both[-1].to(gradients.loss.dtype), each=kept)

    @contextmanager
    def by_rows(self) -> Iterator[None]:
        """Within it, networks with the attribute `by_rows` compute the own rows of their input alone."""
        handles = [
            register_module_forward_pre_hook(self._split),  # type: ignore[arg-type]
            register_module_forward_hook(self._joined, always_call=True),  # type: ignore[arg-type]
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _split(self, module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Before the forward pass of any module."""
        if self._within or not getattr(type(module), "by_rows", False) or len(given[0]) < self.count:
            return None
        rows = self.rows(len(given[0]))
        mode = ByRows(rows, self)
        mode.__enter__()  # type: ignore[no-untyped-call]
        self._within.append((module, mode))
        return (self.copied(given[0])[rows.own], *given[1:])

    def _joined(self, module: nn.Module, given: tuple[Any, ...], made: Tensor | None) -> Tensor | None:
        """After the forward pass of any module; `made` is None if it has failed."""
        if not self._within or self._within[-1][0] is not module:
            return made
        _, mode = self._within.pop()
        mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        return None if made is None else self.gathered(made, mode.rows.whole)

    def told(self, value: Any) -> Any:
        """What the first process passes. The others wait, however long it works alone before that."""
        box = [value]
        with _or_lost():
            dist.broadcast_object_list(box, src=0, group=self._patient)
        return box[0]

    def says_first(self, note: str) -> bool:
        """Whether no process has said this before."""
        try:
            assert self.store is not None
            self.store.add("said", 1)
            return bool(self.store.add(f"said:{hashlib.blake2b(note.encode()).hexdigest()}", 1) == 1)
        except RuntimeError:  # the process that keeps the notes has ended
            return True

    def said(self) -> bool:
        """Whether any process has said something."""
        try:
            return self.store is not None and self.store.add("said", 0) > 0
        except RuntimeError:
            return False

    def says(self, flag: bool) -> bool:
        """What the first process passes."""
        found = torch.tensor(float(flag and self.first), device=_device())
        _all_reduce(found)
        return bool(found)

    def begin(self, facts: Mapping[str, Any], state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state of the first process, with which all of them begin.

        Args:
            facts: of the training, which must be the same everywhere.
            state: of this process.

        Raises:
            InputError: the facts differ.
        """
        theirs, shapes = self.told((dict(facts), {name: (t.shape, t.dtype) for name, t in state.items()}))
        apart = [
            f"{name} {facts[name]}, the first one {value}" for name, value in theirs.items() if facts[name] != value
        ]
        any_apart = torch.tensor(float(len(apart)), device=_device())
        _all_reduce(any_apart)
        if any_apart:
            found = f"process {self.rank} has {apart[0]}" if apart else "another process differs from this one"
            raise InputError(
                f"{found}, expected the same on all {self.count} processes. Start all of them with the same command, "
                "on the same data"
            )
        made = {}
        for name, (shape, dtype) in shapes.items():
            value = state[name] if self.first else torch.empty(shape, dtype=dtype)
            made[name] = value.to(_device()).contiguous()
            with _or_lost():
                dist.broadcast(made[name], src=0)
        return made

    def check_equal(self, networks: Mapping[str, nn.Module]) -> None:
        """Raise `ProcessError` if a network, or the state of the random numbers, is not the same on all processes."""
        found = {f"network '{name}'": _digest(network.state_dict()) for name, network in networks.items()}
        found["state of the random numbers"] = _digest({"": torch.get_rng_state()})
        most = torch.tensor(list(found.values()), device=_device())
        least = most.clone()
        _all_reduce(most, "MAX")
        _all_reduce(least, "MIN")
        for name, differs in zip(found, (most != least).tolist(), strict=True):
            if differs:
                raise ProcessError(
                    f"the {name} is not the same on all {self.count} processes, so the training is of no use. Use one "
                    "kind of processor and the same versions everywhere; a network of your own must draw its random "
                    "numbers by torch, in the shape of its input. Or train with one process"
                )


class _Gathered(Function):
    """The rows of all processes, of which `parts` has the numbers. All of them then hold the rows, and one gradient."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, parts: list[int], rank: int) -> Tensor:
        ctx.rows = slice(sum(parts[:rank]), sum(parts[: rank + 1]))
        permuted = own.ndim == 4 and layout(own) is torch.channels_last
        return _all_gather(own.movedim(1, -1), parts).movedim(-1, 1) if permuted else _all_gather(own, parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        whole = _Copy.apply(gradients[0])  # type: ignore[no-untyped-call]
        return dist.get_world_size() * whole[ctx.rows], None, None


class _Sum(Function):
    """The sum over all processes. All of them then hold it, so its gradient is the same everywhere."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        _all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return dist.get_world_size() * _Copy.apply(gradients[0])  # type: ignore[no-untyped-call]


class _Copy(Function):
    """What all processes hold, for a computation of own rows: its gradient is the mean of those of all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Sum.apply(gradients[0]) / dist.get_world_size()  # type: ignore[no-untyped-call]


_started: Processes | None = None  # torch, too, has one group of processes per process


def processes() -> Processes | None:
    """The processes of this training; None if there is only this one.

    They are those of `started`, or of a program that has called `torch.distributed.init_process_group` itself.
    """
    if _started is not None or not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return _started
    return Processes()


@contextmanager
def started(device: str | None = None) -> Iterator[Processes]:
    """Join the processes that `torchrun` or `accelerate launch` has started, for as long as the context lasts.

    Args:
        device: as in `Hardware.detect`; each process takes a GPU of its own, if there are any.

    Raises:
        InputError: there are fewer GPUs than processes on this machine, or the device is one GPU.
        ProcessError: the other processes cannot be reached.
    """
    global _started
    from torch.distributed.rendezvous import rendezvous  # absent where torch is built without it

    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    on_gpu = _take_gpu(device, here)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // here))
    with _or_lost():
        store, rank, count = next(rendezvous("env://", timeout=PATIENCE))
        backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=PATIENCE)
        _started = Processes(store)
    try:
        yield _started
        dist.destroy_process_group()  # not after an error: it would wait for processes that have ended
    finally:
        _started = None


def _take_gpu(device: str | None, here: int) -> bool:
    """Take a GPU of its own for this process, one of `here` on this machine; False on a machine without."""
    if device not in (None, "cuda"):
        if device != "cpu":
            raise InputError(
                f"--device {device} for {here} processes on this machine, expected cuda (a GPU for each) or cpu"
            )
        return False
    if not torch.cuda.is_available():
        return False
    if torch.cuda.device_count() < here:
        raise InputError(
            f"{here} processes on a machine with {torch.cuda.device_count()} GPU(s), expected a GPU for each. Start "
            f"fewer (torchrun --nproc-per-node {torch.cuda.device_count()}), or add --device cpu"
        )
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    return True


def _device() -> str:
    """Device of small messages."""
    return "cuda" if "nccl" in dist.get_backend() else "cpu"


def _all_reduce(values: Tensor, how: str = "SUM") -> None:
    with _or_lost():
        dist.all_reduce(values, getattr(dist.ReduceOp, how))


def _all_gather(own: Tensor, parts: list[int]) -> Tensor:
    """The rows of all processes, in their order. Half of the bytes of a sum are sent."""
    most = max(parts)
    padded = torch.cat([own, own.new_zeros(most - len(own), *own.shape[1:])]).contiguous()
    every = own.new_empty(len(parts) * most, *padded.shape[1:])
    with _or_lost():
        _gather(every, padded)
    if min(parts) == most:
        return every
    return torch.cat([block[:part] for block, part in zip(every.split(most), parts, strict=True)])


@contextmanager
def _or_lost() -> Iterator[None]:
    """Turn an error of the network into a plain one."""
    try:
        yield
    except RuntimeError as error:
        why = re.sub(r"^\[.*?\] *", "", str(error)).partition(". ")[0].partition("\n")[0][:200]
        raise ProcessError(
            f"another process of this training has ended, or does not answer ({why}), so this one ends, too. Its own "
            "message says why, if it has left one"
        ) from None


def _digest(state: Mapping[str, Any]) -> int:
    """Fingerprint of a state."""
    found = hashlib.blake2b(digest_size=DIGEST)
    for name, value in state.items():
        if isinstance(value, Tensor):
            plain = value.detach().cpu().contiguous()
            found.update(name.encode() + plain.flatten().view(torch.uint8).numpy().tobytes())
    return int.from_bytes(found.digest(), "little")
