"""The engine of worker processes on this machine.

A pool of `concurrent.futures` is broken when one worker is killed, so this one has its own: a worker that is killed is
replaced. Workers are also recycled, because renderers leak memory (BlenderProc, issues 400 and 1194).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch

from ..errors import InputError
from .base import Engine, Outcome, Part, Result, Task, Tasks
from .transport import packed, unpacked
from .worker import serve

RECYCLED = 200  # parts after which a worker is replaced
SHARE = 0.5  # of the memory of the machine by which all workers together may grow; then each is replaced, too
ENDING = 5.0  # seconds that an idle worker has to end


class Processes(Engine):
    """A pool of processes. They are started by spawning, so a script needs `if __name__ == "__main__":`.

    Args:
        jobs: number of processes.
        threads: as in `engine`.
        gpus: if above 0, and there are several GPUs, each process sees one of them.
        recycled: parts after which a process is replaced. It is also replaced when its memory has grown too far.
    """

    def __init__(self, jobs: int = 1, gpus: float = 0, threads: int | None = None, recycled: int = RECYCLED) -> None:
        super().__init__(jobs, gpus, threads or max(1, torch.get_num_threads() // max(1, jobs)))
        self.recycled = recycled
        self.growth = int(SHARE * _memory() / jobs)
        self._workers: list[_Worker | None] = [None] * jobs

    def completed(
        self, function: Callable[[Part], Result], parts: Iterable[Part], ahead: int | None = None
    ) -> Iterator[tuple[int, Result]]:
        """See `Engine.completed`."""
        tasks = Tasks(parts, ahead)
        running: dict[int, Task[Part]] = {}  # by the place of the worker
        try:
            while True:
                for place in range(self.jobs):
                    if place not in running and (task := tasks.begin()) is not None:
                        running[place] = task
                        self._give(place, function, task.part)
                if not running:
                    return
                for place in self._ready(running):
                    task = running.pop(place)
                    outcome = self._take(place, task)
                    if outcome is None:
                        tasks.repeat(task)
                        continue
                    tasks.done(task)
                    yield task.number, outcome.unwrapped()
        finally:
            for place in running:  # after an error, or if the caller wants no more
                self._end(place)

    def _give(self, place: int, function: Callable[[Part], Any], part: Part) -> None:
        """Send a part to a worker, which is started if need be. One that was killed is noticed when it is read."""
        worker = self._workers[place]
        if worker is None or not worker.process.is_alive():
            self._end(place)
            worker = self._workers[place] = _Worker(self.threads, self._environment(place))
        worker.give(function, part)

    def _ready(self, running: Iterable[int]) -> list[int]:
        """The places of the workers that have an outcome, or were killed."""
        connections = {worker.connection: place for place in running if (worker := self._workers[place]) is not None}
        return sorted(connections[found] for found in wait(list(connections)))  # type: ignore[index]

    def _take(self, place: int, task: Task[Any]) -> Outcome | None:
        """What the worker sends; None if it was killed. Raise `InputError` if the part has lost too many workers."""
        worker = self._workers[place]
        assert worker is not None
        outcome = worker.take()
        if outcome is None:
            self._end(place)
            worker.check_started()
            task.killed(worker.end)
        elif worker.done >= self.recycled or worker.grown > self.growth > 0:
            self._end(place)
        return outcome

    def _environment(self, place: int) -> dict[str, str]:
        """The variables of a worker: its GPU, if there are several; and no spinning if there are too few cores."""
        found = {}
        if self.threads * self.jobs > (os.cpu_count() or 1):
            found["OMP_WAIT_POLICY"] = "PASSIVE"  # threads that spin would keep the others from their core
        count = torch.cuda.device_count() if self.gpus else 0
        if count > 1:
            named = os.environ.get("CUDA_VISIBLE_DEVICES")
            found["CUDA_VISIBLE_DEVICES"] = (named.split(",") if named else list(map(str, range(count))))[place % count]
        return found

    def _end(self, place: int) -> None:
        worker, self._workers[place] = self._workers[place], None
        if worker is not None:
            worker.close()

    def close(self) -> None:
        """End the workers: at once, if they work."""
        for worker in filter(None, self._workers):
            worker.hang_up()
        for place in range(self.jobs):
            self._end(place)


class _Worker:
    """A process at the other end of a connection."""

    def __init__(self, threads: int, environment: dict[str, str]) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, os.getcwd(), threads, environment))
        self.process.start()
        theirs.close()  # so that a worker that is killed closes the connection
        self.done, self.first, self.memory, self.busy = 0, 0, 0, False
        self.function: Callable[[Any], Any] | None = None

    def give(self, function: Callable[[Any], Any], part: Any) -> None:
        """Send a part, and the function if it is another one than before."""
        sent = None
        if function is not self.function:
            sent = bytes(ForkingPickler.dumps(function))  # with tensors in shared memory, not copied
        self.function, self.busy = function, True
        with suppress(BrokenPipeError, ConnectionResetError):  # it was killed; reading says so
            self.connection.send_bytes(packed((sent, part)))

    def take(self) -> Outcome | None:
        """The outcome of the part; None if the process was killed."""
        try:
            outcome: Outcome = unpacked(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None
        self.busy, self.done, self.memory = False, self.done + 1, outcome.memory
        self.first = self.first or outcome.memory
        return outcome

    @property
    def grown(self) -> int:
        """Bytes by which its peak memory has grown since the first part."""
        return self.memory - self.first

    @property
    def end(self) -> str:
        """How a process that has ended did so."""
        code = self.process.exitcode or 0
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"

    def check_started(self) -> None:
        """Raise `InputError` if the process has ended by itself before its first part: others would do the same."""
        if not self.done and (self.process.exitcode or 0) > 0:
            raise InputError(
                f"a worker process ended {self.end} before its first part, expected it to start. A script that starts "
                "workers needs `if __name__ == '__main__':`; else --jobs 1 shows the error"
            )

    def hang_up(self) -> None:
        """Let an idle process end."""
        if not self.busy:
            self.connection.close()

    def close(self) -> None:
        """End the process, and wait for it."""
        self.hang_up()
        if self.busy:
            self.process.terminate()
        self.process.join(ENDING)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.connection.close()


def _memory() -> int:
    """Memory of the machine in bytes; 0 on systems that do not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
