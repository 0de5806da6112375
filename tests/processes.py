"""Several processes that train together, for tests: they are started once, and run one function after another."""

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
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


class Group:
    """`count` processes. `group(function, ...)` calls a function of a module in each, and returns the answers."""

    def __init__(self, count: int) -> None:
        context, port = multiprocessing.get_context("forkserver"), free_port()
        context.set_forkserver_preload(["processes_run", "torch._dynamo"])  # imported once, and not by each process
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
