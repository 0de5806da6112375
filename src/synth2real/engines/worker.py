"""A worker process: it takes parts, the first one with the function, and sends back what the function makes of each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from .base import Outcome, limit_threads, outcome_of, searched
from .transport import packed, packed_error, unpacked


def serve(connection: Connection, folder: str, threads: int, environment: dict[str, str]) -> None:
    """Work until the connection is closed. This is what a worker process runs.

    Args:
        connection: sends pairs of a function, pickled, or None for that of before, and a part; takes the outcomes.
        folder: the working folder of the parent.
        threads: of torch.
        environment: variables that the worker and its libraries see.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    os.environ |= environment
    limit_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    function: Callable[[Any], Any] = _Failing(RuntimeError("no function was sent"))
    try:
        while True:
            sent, part = unpacked(connection.recv_bytes())
            if sent is not None:
                function = _read(sent, folder)
                limit_threads(threads)  # again: the function may have imported torch
            connection.send_bytes(_encoded(outcome_of(function, part)))
    except (EOFError, BrokenPipeError):
        return  # the parent wants no more


def _read(sent: bytes, folder: str) -> Callable[[Any], Any]:
    """The function; one that raises what went wrong, if it cannot be read."""
    try:
        with searched(folder):
            function: Callable[[Any], Any] = unpacked(sent)
    except Exception as error:
        return _Failing(error)
    return function


class _Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, part: Any) -> Any:
        raise self.error


def _encoded(outcome: Outcome) -> bytes:
    """An outcome as bytes: plain ones, because tensors in shared memory vanish with a worker that ends."""
    try:
        return packed(outcome)
    except Exception as error:
        return packed(Outcome(None, packed_error(error), outcome.warned, outcome.memory))


def _end_with_parent() -> None:
    """End this worker when its parent ends: a parent that was killed cannot stop its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
