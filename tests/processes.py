"""Several processes that train together, for tests: they are started once, and run one function after another.

And what the system says of other processes.
"""

import contextlib
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from threading import Barrier
from typing import Any, Self

import torch

WAIT = 120  # seconds, for an answer


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(rank: int, count: int, port: int) -> dict[str, str]:
    """The variables that torchrun and accelerate set."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    return pid in _running()


def children(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    return [child for child, parent in _running().items() if parent == pid]


def _running() -> dict[int, int]:
    """The parent of each process that has not ended: from Linux, or else from the program `ps`."""
    rows = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            rows.append((stat.parent.name, parent, state))
    if not rows:
        command = ["ps", "-A", "-o", "pid=,ppid=,stat="]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows = [(pid, parent, state) for pid, parent, state in map(str.split, said.splitlines())]
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def preloaded() -> ForkServerContext:
    """Starts processes in which the library is imported already, so that each begins at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["processes_run", "torch._dynamo", "synth2real.cli.learn.calibrate"])
    return context


def run_command(arguments: Sequence[str], folder: Path, output: Path, begin: Barrier) -> None:
    """For a process of its own: run a command of synth2real in a folder, beside others; what it says is in a file."""
    os.chdir(folder)
    sys.argv = ["synth2real", *arguments]
    with output.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        from synth2real import cli

        begin.wait(WAIT)
        cli.main()


class Group:
    """`count` processes. `group(function, ...)` calls a function of a module in each, and returns the answers."""

    def __init__(self, count: int) -> None:
        context, port = preloaded(), free_port()
        self.pipes, self.processes = [], []
        for rank in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, environment(rank, count, port)), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def begin(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        for pipe in self.pipes:
            pipe.send((function, args, kwargs))

    def answers(self) -> list[Any]:
        """The answer of each process, or the exception that it has raised; None of one that has ended."""
        return [self._answer(pipe) for pipe in self.pipes]

    def _answer(self, pipe: Connection) -> Any:
        try:
            assert pipe.poll(WAIT), "a process does not answer"
            return pipe.recv()
        except (EOFError, ConnectionResetError):
            return None

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> list[Any]:
        self.begin(function, *args, **kwargs)
        answers = self.answers()
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def _work(pipe: Connection, variables: dict[str, str]) -> None:
    os.environ.update(variables)
    torch.set_num_threads(1)
    from synth2real.training import distributed

    with distributed.started("cpu"):
        while True:
            function, args, kwargs = pipe.recv()
            try:
                pipe.send(function(*args, **kwargs))
            except Exception as error:  # the test decides what it means
                pipe.send(error)
