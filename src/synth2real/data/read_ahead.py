"""Read-ahead: batches that are decoded from disk by a thread, while the steps before them are computed."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from torch import Tensor

from .batch_sampler import BatchSampler
from .domains import Inputs

AHEAD = 2  # batches that are decoded, or being decoded, before they are taken


class ReadAhead:
    """The batches of some inputs by step.

    Within its context, inputs that decode on access (`decodes` is true) are read ahead. A batch depends on the step
    alone, so it has the same bits with and without. What fails in the thread is raised where the batch is taken.

    Args:
        inputs: of one domain.
        sampler: indices of the batch of each step.
        steps: of the training; batches of later steps are not read ahead.
    """

    def __init__(self, inputs: Inputs, sampler: BatchSampler, steps: int) -> None:
        self.inputs, self.sampler, self.steps = inputs, sampler, steps
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
            index = self.sampler(step)
            batch = self.inputs[index.to(self.inputs.device) if isinstance(self.inputs, Tensor) else index]
        else:
            for later in range(step, max(step + 1, min(step + 1 + AHEAD, self.steps))):
                if later not in self._coming:
                    index = self.sampler(later)
                    self._coming[later] = self._thread.submit(self.inputs.__getitem__, index)
            batch = self._coming.pop(step).result()
        self.waited += time.perf_counter() - start
        return batch
