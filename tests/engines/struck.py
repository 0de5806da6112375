"""Functions for workers, and an engine whose workers are killed. Here, because a worker imports what it is sent."""

import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth2real.engines import Engine
from synth2real.errors import InputError


@dataclass(frozen=True)
class Squared:
    """The square of a number, and the process; odd ones take longer."""

    slow: float = 0.0

    def __call__(self, number: int) -> tuple[int, int]:
        time.sleep(self.slow * (number % 2))
        return number * number, os.getpid()


def refuse(number: int) -> int:
    """Gives a warning, and refuses 3."""
    warnings.warn(f"about {number}", UserWarning, stacklevel=1)
    if number == 3:
        raise InputError("3 is refused")
    return number


class Odd(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"odd {one} {two}")


def fail_oddly(number: int) -> int:
    """Raise an error that cannot travel."""
    raise Odd(number, number)


def unpicklable(number: int) -> Any:
    """Return what cannot travel."""
    return lambda: number


def end(number: int) -> int:
    """Kill the own process."""
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def torch_threads(number: int) -> int:
    """The number of threads of torch."""
    import torch

    return torch.get_num_threads()


@dataclass(frozen=True)
class Killing:
    """A function whose process is killed once, at the second part that is begun.

    Args:
        function: that is called.
        marks: folder of what has happened.
        late: kill it when the part is done, but has not been answered; else before it.
    """

    function: Callable[[Any], Any]
    marks: Path
    late: bool

    def __call__(self, part: Any) -> Any:
        struck = self.marks / "struck"
        now = not struck.exists() and len(list(self.marks.iterdir())) > 0
        (self.marks / str(part)).touch()
        if now:
            if self.late:
                self.function(part)
            struck.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.function(part)


class Struck(Engine):
    """An engine, of which one worker is killed in the first job.

    Args:
        engine: the engine.
        marks: an empty folder.
        late: as in `Killing`.
    """

    def __init__(self, engine: Engine, marks: Path, late: bool) -> None:
        super().__init__(engine.jobs, 0, engine.threads)
        self.engine, self.marks, self.late = engine, marks, late

    def completed(
        self, function: Callable[[Any], Any], parts: Iterable[Any], ahead: int | None = None
    ) -> Iterator[tuple[int, Any]]:
        yield from self.engine.completed(Killing(function, self.marks, self.late), parts, ahead)

    def close(self) -> None:
        self.engine.close()
