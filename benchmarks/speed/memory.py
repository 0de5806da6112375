"""Peak memory of training and refining against the number of images, 36 by 60 PNG streamed from webdataset shards.

Each figure is of a process of its own: the most memory that it ever held, in MB, and how much more that is than with
1,000 images, which is what images take beside the libraries and the model. Shards repeat 10,000 images: further ones
are links to the first. Training takes few steps, because the memory does not depend on them.

    python -m benchmarks.speed.memory [--counts 10000 100000 1000000] [--jobs train refine] [--steps 20]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.lib.results import Column, Row, show
from benchmarks.lib.shards import SHARD, write_shards

FEW = 1000  # images of the measurement that others are compared with
COLUMNS = (
    Column("job", "job"),
    Column("images", "source images"),
    Column("targets", "target images"),
    Column("memory", "MB"),
    Column("beside", "beside"),
    Column("seconds", "seconds"),
)


def linked(folder: Path, count: int) -> Path:
    """A folder of shards with `count` images."""
    write_shards(folder, min(count, SHARD))
    for number in range(1, count // SHARD):
        os.link(folder / f"{0:06d}.tar", folder / f"{number:06d}.tar")
    return folder


def work(job: str, source: Path, target: Path, out: Path, steps: int) -> None:
    """What is measured, in a process of its own, which prints the most memory that it held in MB."""
    from synth2real.cli import main

    how = ["--steps", str(steps), "--out", str(out), "--quiet"]
    if job == "train":
        sys.argv = ["synth2real", "train", str(source), "--target", str(target), "--adapt", "dann", *how]
    else:
        sys.argv = ["synth2real", "refine", str(source), "--target", str(target), "--method", "simgan", *how]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def measured(job: str, count: int, targets: int, steps: int) -> dict[str, Any]:
    """Memory in MB and seconds of a job with this number of source and target images."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        source, target = linked(place / "source", count), linked(place / "target", targets)
        command = [sys.executable, "-m", "benchmarks.speed.memory", "--work", job, str(source), str(target)]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, str(place / "out"), "--steps", str(steps)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return {"memory": int(done.stdout.split()[-1]), "seconds": round(time.perf_counter() - start, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--jobs", nargs="+", default=["train", "refine"], choices=["train", "refine"])
    parser.add_argument("--targets", type=int, help="target images; by default as many as source images")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        job, *paths = arguments.work
        work(job, *map(Path, paths), arguments.steps)  # type: ignore[call-arg, arg-type]
        return
    rows: list[Row] = []
    for job in arguments.jobs:
        least = measured(job, FEW, FEW, arguments.steps)["memory"]
        for count in arguments.counts:
            targets = arguments.targets or count
            found = measured(job, count, targets, arguments.steps)
            beside = found["memory"] - least
            rows.append({"job": job, "images": count, "targets": targets, "beside": beside, **found})
    show("speed/memory", COLUMNS, rows, {"steps": arguments.steps}, ["pillow", "numpy"])


if __name__ == "__main__":
    main()
