"""Speed of the engines: 20,000 eyes rendered and written by two workers of one thread, beside one such worker.

    python -m benchmarks.speed.engines [--images 20000] [--jobs 2]

With one worker this process writes on a second core, so the speed without workers is measured, too. The workers run
before the clock starts: neither the start of Python nor that of Ray counts.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.lib.machine import describe
from synth2real.engines import ENGINES, engine
from synth2real.simulate import Eyes, render


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(describe("ray"))
    here = images_per_second(None, 1, arguments.images)
    print(f"without workers {here:,.0f} images/s")
    for name in arguments.engines:
        one, several = (images_per_second(name, jobs, arguments.images) for jobs in (1, arguments.jobs))
        print(
            f"{name}: 1 worker {one:,.0f} images/s, {arguments.jobs} workers {several:,.0f}: {several / one:.2f} times "
            f"one worker, {several / here:.2f} times none"
        )


def images_per_second(name: str | None, jobs: int, count: int) -> float:
    """Images per second with so many workers of one thread, until all files are written."""
    simulator = Eyes()
    with tempfile.TemporaryDirectory() as folder, engine(name, jobs, threads=1) as workers:
        render(simulator, 2 * jobs * simulator.chunk, Path(folder) / "first", 1, engine=workers)
        start = time.perf_counter()
        render(simulator, count, Path(folder) / "eyes", 0, engine=workers)
        return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
