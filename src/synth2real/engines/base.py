"""What every engine does: it applies a function to the parts of a job, and gives the results back.

A part is small and plain: a number, a range of images, a training. How a job is cut into parts, and the seed of each
part, never depend on the engine or on the number of workers, so the results do not either. A worker that is killed is
replaced, and the part that it worked on is done again: a function writes whole files under fixed names, or returns
what is to be written.
"""

from __future__ import annotations

import os
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from ..errors import InputError
from .transport import packed_error, unpacked

ENGINES = ("processes", "ray")
KILLS = 3  # workers that a part may lose before it is given up
AHEAD = 4  # parts for each worker that `map` lets run ahead of the first unfinished one: bounds what is in memory

Part = TypeVar("Part")
Result = TypeVar("Result")


class Engine(ABC):
    """Runs a function on parts. It is a context manager; its workers start when they are needed and end with it.

    Args:
        jobs: number of parts at the same time.
        gpus: number of GPUs that each worker has for itself.
        threads: threads of torch in each worker.

    Raises:
        InputError: `jobs` is below 1.
    """

    def __init__(self, jobs: int, gpus: float, threads: int) -> None:
        if jobs < 1:
            raise InputError(f"jobs is {jobs}, expected 1 or more processes")
        self.jobs, self.gpus, self.threads = jobs, gpus, threads

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    @abstractmethod
    def completed(
        self, function: Callable[[Part], Result], parts: Iterable[Part], ahead: int | None = None
    ) -> Iterator[tuple[int, Result]]:
        """The number and the result of each part, in the order in which they are done.

        The function is sent to each worker once, with all data that it holds, and must be picklable. Its warnings
        (`UserWarning`) are repeated in this process.

        Args:
            function: takes a part. It may be called again for the same part, if its worker is killed.
            parts: `str(part)` is the name of a part in messages.
            ahead: the greatest distance from the first unfinished part to one that is begun. None: no limit.

        Raises:
            InputError: a part has lost `KILLS` workers.
            Exception: that the function raises.
        """

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """The result of each part, in the order of the parts; see `completed`."""
        known: dict[int, Result] = {}
        first = 0
        for number, result in self.completed(function, parts, AHEAD * self.jobs):
            known[number] = result
            while first in known:
                yield known.pop(first)
                first += 1

    def close(self) -> None:  # noqa: B027  (an engine without workers has nothing to close)
        """End the workers."""


def engine(name: str | None, jobs: int = 1, gpus: float = 0, threads: int | None = None) -> Engine:
    """The engine of this name.

    Args:
        name: one of `ENGINES`. None: `processes`, or this process if `jobs` is 1.
        jobs, gpus: as in `Engine`.
        threads: as in `Engine`. None divides those of this process among the workers. As many as this process has give
            the bits that it would compute itself: the last bits of a network depend on their number.

    Raises:
        InputError: there is no such engine, or Ray is not installed.
    """
    from .here import Here
    from .processes import Processes
    from .ray_tasks import RayTasks

    if name not in (None, *ENGINES):
        raise InputError(f"--engine '{name}' is unknown, expected one of: {', '.join(ENGINES)}")
    if name == "ray":
        return RayTasks(jobs, gpus, threads)
    return Here() if name is None and jobs == 1 else Processes(jobs, gpus, threads)


@dataclass
class Task(Generic[Part]):
    """A part with its number, and how often its worker was killed."""

    number: int
    part: Part
    kills: int = 0

    def killed(self, how: str) -> None:
        """Count a lost worker. Raise `InputError` if this part has lost too many."""
        self.kills += 1
        if self.kills >= KILLS:
            raise lost(self.part, how)


def lost(part: Any, how: str) -> InputError:
    """The error for a part whose workers were killed."""
    return InputError(
        f"{part}: the process that worked on it was killed {KILLS} times (the last {how}), expected it to end. If the "
        "memory was full, take fewer --jobs; else the same command with --jobs 1 and without --engine shows the error"
    )


class Tasks(Generic[Part]):
    """The parts that are still to be done, in order; those of killed workers first."""

    def __init__(self, parts: Iterable[Part], ahead: int | None) -> None:
        self._new = (Task(number, part) for number, part in enumerate(parts))
        self._again: list[Task[Part]] = []
        self._begun: set[int] = set()
        self._next: Task[Part] | None = next(self._new, None)
        self.ahead = ahead

    def begin(self) -> Task[Part] | None:
        """The next task; None if there is none, or none that may be begun now."""
        if self._again:
            return self._again.pop(0)
        task = self._next
        if task is None or (self.ahead is not None and self._begun and task.number - min(self._begun) >= self.ahead):
            return None
        self._begun.add(task.number)
        self._next = next(self._new, None)
        return task

    def repeat(self, task: Task[Part]) -> None:
        """Do a task again."""
        self._again.append(task)

    def done(self, task: Task[Part]) -> None:
        """A task has its result."""
        self._begun.remove(task.number)


@dataclass(frozen=True)
class Outcome:
    """What a worker sends back.

    Args:
        result: of the function.
        error: that it raised, pickled; None if it raised none.
        warned: texts of its warnings.
        memory: peak memory of the worker, bytes; 0 where that is not known.
    """

    result: Any
    error: bytes | None = None
    warned: tuple[str, ...] = ()
    memory: int = 0

    def unwrapped(self) -> Any:
        """The result, or the error, in this process; the warnings are given here."""
        for message in self.warned:
            warnings.warn(message, stacklevel=3)
        if self.error is not None:
            raise unpacked(self.error)
        return self.result


def outcome_of(function: Callable[[Any], Any], part: Any) -> Outcome:
    """Apply the function in a worker."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UserWarning)
        try:
            result, error = function(part), None
        except Exception as raised:
            result, error = None, packed_error(raised)
    warned = tuple(str(one.message) for one in caught if issubclass(one.category, UserWarning))
    return Outcome(result, error, warned, peak_memory())


def limit_threads(threads: int) -> None:
    """Set the number of threads of torch in this process, which may not have imported it, and never will."""
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


@contextmanager
def searched(folder: str) -> Iterator[None]:
    """Search a folder for modules, too: a user's simulator may be in the folder in which the command runs."""
    if folder in sys.path:
        yield
        return
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def peak_memory() -> int:
    """Peak memory of this process in bytes; 0 on systems that do not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
