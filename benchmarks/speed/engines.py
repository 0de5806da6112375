"""Speed of the engines: 20,000 eyes rendered and written by two workers of one thread, beside one such worker.

    python -m benchmarks.speed.engines [--rounds 5] [--images 20000] [--jobs 2]

With one worker this process writes on a second core, so the speed without workers is measured, too. The workers run
before the clock starts: neither the start of Python nor that of Ray counts.
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch

from benchmarks.lib.results import Column, Row, show
from benchmarks.lib.timing import ROUNDS, interleaved, rates, ratios, timed
from synth2real.engines import ENGINES, engine
from synth2real.simulate import Eyes, render

COLUMNS = (
    Column("engine", "engine"),
    Column("jobs", "workers of one thread"),
    Column("rate", "images/s"),
    Column("ratio_one", "times one worker", whole=True),
    Column("ratio_none", "times no worker", whole=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for name in arguments.engines:
        cases: list[tuple[str | None, int]] = [(None, 1), (name, 1), (name, arguments.jobs)]
        with ExitStack() as started:
            runs = {str(case): timed_rendering(started, *case, arguments.images) for case in cases}
            none, one, several = interleaved(runs, arguments.rounds).values()
        if not rows:
            rows.append({"engine": "none", "jobs": 0, "rate": rates(arguments.images, none)})
        for jobs, found in ((1, one), (arguments.jobs, several)):
            row = {"engine": name, "jobs": jobs, "rate": rates(arguments.images, found)}
            rows.append({**row, "ratio_one": ratios(one, found), "ratio_none": ratios(none, found)})
    show("speed/engines", COLUMNS, rows, {"rounds": arguments.rounds, "images": arguments.images}, ["ray"])


def timed_rendering(started: ExitStack, name: str | None, jobs: int, count: int) -> Callable[[], float]:
    """A run that renders and writes so many images with so many workers of one thread, which are started here."""
    workers, simulator = started.enter_context(engine(name, jobs, threads=1)), Eyes()
    folder = Path(started.enter_context(tempfile.TemporaryDirectory()))
    turns = itertools.count()
    return timed(lambda: render(simulator, count, folder / str(next(turns)), 0, engine=workers))


if __name__ == "__main__":
    main()
