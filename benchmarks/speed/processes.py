"""Speed of a DANN step on digits: two processes of one thread each against one process of two, one global batch.

Both train the default network on rendered digits of 28 by 28 with full randomization. A step has 64 source and 64
target images. They run in turns in each round. The ratio is the images per second of the two processes divided by those
of the one. Exchanges of values in a step include waiting for the other process.

    python -m benchmarks.speed.processes [--rounds 5] [--steps 60] [--count 2]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist

from benchmarks.lib.results import Column, show
from benchmarks.lib.timing import ROUNDS, interleaved, rates, ratios, spread
from synth2real.adapt import DANN
from synth2real.data.domains import Unlabelled
from synth2real.randomize import Full
from synth2real.route.route import Route
from synth2real.simulate import simulator
from synth2real.tasks import Classification
from synth2real.training import distributed
from synth2real.training.distributed import started
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Trainer

BATCH = 64
COLUMNS = (
    Column("processes", "processes"),
    Column("threads", "threads of each"),
    Column("rate", "images/s"),
    Column("ratio", "several / one", whole=True),
    Column("step", "ms of a step"),
    Column("exchanging", "of these in exchanges"),
    Column("exchanges", "exchanges in a step"),
)


class Training:
    """A training that can be continued for some steps."""

    def __init__(self) -> None:
        rendered = simulator("digits", size=(28, 28), channels=1).labelled(2048, 0)
        target = Unlabelled(rendered.inputs[torch.arange(2048).flip(0)])
        self.source, self.target, self.task = rendered, target, Classification.of(rendered)
        self.hardware = Hardware()  # float32, in which both compute the same

    def seconds(self, steps: int) -> float:
        """Seconds of a training of so many steps, after its networks are built."""
        objective = Route(adapt=DANN()).prepare(self.source, self.target, self.task, 0, self.hardware)
        loop = Loop(steps, BATCH, 0, self.hardware, Full().settled(self.task))
        trainer = Trainer(objective, self.source, self.target, loop, self.task.move)
        trainer.run()
        return steps / trainer.speed.steps_per_second


def work(pipe: Connection, variables: dict[str, str]) -> None:
    """One of the processes: it sends seconds, and those of them within exchanges, for each number of steps it gets."""
    os.environ.update(variables)
    torch.set_num_threads(1)
    spent = [0.0, 0]

    def timed(exchange: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            made = exchange(*args, **kwargs)
            spent[:] = spent[0] + time.perf_counter() - start, spent[1] + 1
            return made

        return measured

    dist.all_reduce, distributed._gather = timed(dist.all_reduce), timed(distributed._gather)
    with started("cpu"):
        training = Training()
        while (steps := pipe.recv()) is not None:
            spent[:] = 0.0, 0
            pipe.send((training.seconds(steps), *spent))


def start(count: int) -> list[Connection]:
    """Start the processes."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    context, pipes = multiprocessing.get_context("spawn"), []
    for rank in range(count):
        ours, theirs = context.Pipe()
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
        context.Process(target=work, args=(theirs, {**shared, **ranks}), daemon=True).start()
        pipes.append(ours)
    return pipes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--count", type=int, default=2)
    arguments = parser.parse_args()
    pipes, alone = start(arguments.count), Training()
    torch.set_num_threads(arguments.count)
    steps: int = arguments.steps
    within: list[float] = []
    exchanges: list[int] = []

    def together() -> float:
        for pipe in pipes:
            pipe.send(steps)
        answers = [pipe.recv() for pipe in pipes]
        within.append(min(spent for _, spent, _ in answers))  # of the one that waits least
        exchanges.append(answers[0][2])
        return float(max(seconds for seconds, _, _ in answers))

    found = interleaved({"one": lambda: alone.seconds(steps), "several": together}, arguments.rounds)
    for pipe in pipes:
        pipe.send(None)
    one, several = found["one"], found["several"]
    images = 2 * BATCH * steps
    rows = [
        {"processes": 1, "threads": arguments.count, "rate": rates(images, one), "step": spread(_ms(one, steps))},
        {
            "processes": arguments.count,
            "threads": 1,
            "rate": rates(images, several),
            "ratio": ratios(one, several),
            "step": spread(_ms(several, steps)),
            "exchanging": spread(_ms(within[1:], steps)),  # the first round is a warm-up
            "exchanges": exchanges[0] / steps,
        },
    ]
    show("speed/processes", COLUMNS, rows, vars(arguments))


def _ms(seconds: list[float], steps: int) -> list[float]:
    """Milliseconds of one step."""
    return [1000 * each / steps for each in seconds]


if __name__ == "__main__":
    main()
