"""Read-ahead: batches that are decoded from disk by a thread, while the steps before them are computed."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, Self, runtime_checkable

from torch import Tensor

from .batch_sampler import BatchSampler
from .domains import Inputs

AHEAD = 2  # batches that are decoded, or being decoded, before they are taken


@runtime_checkable
class Shared(Protocol):
    """Inputs of which some samples of a batch depend on the whole batch."""

    def part(self, index: Tensor, rows: slice) -> Tensor:
        """The same as `inputs[index][rows]`; it reads no other samples."""
        ...


class ReadAhead:
    """The batches of some inputs by step.

    Within its context, inputs that decode on access (`decodes` is true) are read ahead. A batch depends on the step
    alone, so it has the same bits with and without. What fails in the thread is raised where the batch is taken.

    Args:
        inputs: of one domain.
        sampler: indices of the batch of each step.
        steps: of the training; batches of later steps are not read ahead.
        own: the samples of a batch of so many that this one of several processes reads, if they decode on access. None:
            all of them.
    """

    def __init__(
        self, inputs: Inputs, sampler: BatchSampler, steps: int, own: Callable[[int], slice] | None = None
    ) -> None:
        self.inputs, self.sampler, self.steps = inputs, sampler, steps
        decodes = getattr(inputs, "decodes", False)
        self.own = own if decodes else None
        self.waited = 0.0  # seconds until batches were there
        self._thread: ThreadPoolExecutor | None = None
        self._coming: dict[int, Future[Tensor]] = {}

    def __enter__(self) -> Self:
        if getattr(self.inputs, "decodes", False):
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        return self

    def __exit__(self, *error: Any) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._thread, self._coming = None, {}

    def __call__(self, step: int) -> Tensor:
        """The batch of a step, counted from 0."""
        start = time.perf_counter()
        if self._thread is None:
            batch = self._read(self.sampler(step))
        else:
            for later in range(step, max(step + 1, min(step + 1 + AHEAD, self.steps))):
                if later not in self._coming:
                    self._coming[later] = self._thread.submit(self._read, self.sampler(later))
            batch = self._coming.pop(step).result()
        self.waited += time.perf_counter() - start
        return batch

    def _read(self, index: Tensor) -> Tensor:
        inputs = self.inputs
        if self.own is None:
            return inputs[index.to(inputs.device) if isinstance(inputs, Tensor) else index]
        rows = self.own(len(index))
        return inputs.part(index, rows) if isinstance(inputs, Shared) else inputs[index[rows]]
