"""Seconds and memory of each stage against the number of images, their side, the features and the classes.

Each row is one stage at one size: its seconds, and the memory that it took at most beside what was there before, in
MB. The last column is the slope from the size before: 1 is linear, 2 is quadratic. Slopes of stages below 0.05 seconds
are left out. What a stage refuses is said.

    python -m benchmarks.speed.scaling [--quick] [--only images side features classes]
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import synth2real as s2r
from benchmarks.lib.results import Column, Row, show
from benchmarks.lib.shards import write_shards
from synth2real.adapt import DANN, MAPPINGS
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.errors import InputError
from synth2real.measure.gap import measure_gap
from synth2real.refine import Histogram
from synth2real.select.validators import Pool, labels_of, observe, serving
from synth2real.training.loop import Loop, Trainer
from synth2real.training.model import Model

SIDE, CLASSES, FEATURES, COUNT = 28, 10, 256, 2000  # where they are not what is varied
STEPS, SEEN = 5, 1000  # steps that are timed; samples that validators see, as in `compare`
SIZES = {
    "images": [1_000, 10_000, 100_000, 1_000_000],
    "side": [28, 56, 112, 224],
    "features": [100, 1_000, 10_000, 30_000],
    "classes": [2, 10, 100, 1_000],
}
STEEP = {"tca": 4_000, "ot-mapping": 10_000}  # most samples of what is steeper than linear; more would take hours
MAPPED = 100_000  # most samples of mappings in closed form, of which a million would need 25 GB
QUICK = {"images": [1_000, 4_000], "side": [28, 56], "features": [100, 400], "classes": [2, 100]}
COLUMNS = (
    Column("stage", "stage"),
    Column("seconds", "seconds"),
    Column("memory", "MB"),
    Column("slope", "slope"),
)
Stages = Iterator[tuple[str, Callable[[], object]]]


@contextmanager
def peak() -> Iterator[list[float]]:
    """The most memory in MB beside what is there at the start, looked at every 10 ms."""
    found, ended = [0.0], threading.Event()
    before = resident()

    def look() -> None:
        while not ended.wait(0.01):
            found[0] = max(found[0], resident() - before)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def resident() -> float:
    """Memory of this process in MB; where the system does not say, as much as it has ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (2**20 if sys.platform == "darwin" else 2**10)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def images(count: int, side: int, classes: int) -> tuple[Labelled, Unlabelled]:
    """A source and a target of noise, whose mean follows from the class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    x = torch.randint(0, 100, (count, 1, side, side), generator=generator, dtype=torch.uint8)
    names = tuple(map(str, range(classes)))
    return Labelled(x + (labels * 100 // classes)[:, None, None, None].byte(), labels, names), Unlabelled(x + 50)


def features(count: int, width: int) -> tuple[Labelled, Unlabelled]:
    """A source and a target of features."""
    generator = torch.Generator().manual_seed(0)
    x: Tensor = torch.rand(count, width, generator=generator)
    return Labelled(x, torch.arange(count) % 2, ("a", "b")), Unlabelled(x.flip(0) + 0.1)


def of_images(source: Labelled, target: Unlabelled) -> Stages:
    """Training steps, predictions, scores, and a refiner."""
    task = s2r.tasks.Classification.of(source)
    model: list[Model] = []

    def train() -> None:
        objective = s2r.Route(adapt=DANN()).prepare(source, target, task, 0)
        Trainer(objective, source, target, Loop(STEPS), task.move, task.mix).run()
        model[:] = [objective.model]

    def validate() -> None:
        some = target.subset(torch.arange(min(SEEN, len(target))))
        held = source.subset(torch.arange(min(SEEN, len(source))))
        seen = [observe(model[0], held, some, name="dann", seed=seed) for seed in range(2)]
        pool = Pool(seen, task, labels_of(held, task))
        for score in serving(task).values():
            score(pool)

    yield f"{STEPS} steps of DANN", train
    yield "predict", lambda: model[0].predict(target)
    yield "validators", validate
    yield "gap", lambda: measure_gap(source, target)
    some = torch.arange(min(SEEN, len(source)))
    yield "histogram refiner", lambda: Histogram().fit(source, target, Loop(1)).samples(source, some)


def of_features(source: Labelled, target: Unlabelled) -> Stages:
    """Mappings in closed form; TCA and optimal transport are quadratic in samples. SDA is trained, in a fixed time."""
    for name, kind in MAPPINGS.items():
        if name == "sda" or len(source) > STEEP.get(name, MAPPED):
            continue
        yield name, partial(kind().fit_transform, source, target, Loop(STEPS))


def of_shards(count: int) -> Stages:
    """Loading from shards, which are not decoded into memory."""
    with tempfile.TemporaryDirectory() as folder:
        write_shards(Path(folder) / "shards", count)
        yield "load shards", lambda: s2r.load(Path(folder) / "shards", memory=0)


def stages(varied: str, size: int) -> Stages:
    """All stages at one size."""
    if varied == "images":
        yield from of_shards(size)
        yield from of_images(*images(size, SIDE, CLASSES))
        if size <= MAPPED:
            yield from of_features(*features(size, FEATURES))
    elif varied == "side":
        yield from of_images(*images(COUNT // 4, size, CLASSES))
    elif varied == "features":
        yield from of_features(*features(COUNT // 4, size))
    else:
        yield from of_images(*images(COUNT, SIDE, size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two small sizes of each")
    parser.add_argument("--only", nargs="+", default=list(SIZES), choices=list(SIZES))
    arguments = parser.parse_args()
    for varied in arguments.only:
        rows: list[Row] = []
        before: dict[str, tuple[int, float]] = {}
        for size in (QUICK if arguments.quick else SIZES)[varied]:
            for name, run in stages(varied, size):
                row: Row = {"size": size, "stage": name} | measured(run)
                if "seconds" in row:
                    row["slope"] = slope(size, row["seconds"], before.get(name))
                    before[name] = (size, row["seconds"])
                rows.append(row)
                print(*(f"{key} {value}" for key, value in row.items()), sep=", ", flush=True)
        columns = [Column("size", varied), *COLUMNS]
        show(f"speed/scaling-{varied}", columns, rows, {"quick": arguments.quick}, ["numpy", "scipy"])


def measured(run: Callable[[], object]) -> Row:
    """Seconds and MB of a stage, or why it refuses."""
    start = time.perf_counter()
    try:
        with peak() as most:
            run()
    except (InputError, RuntimeError, MemoryError) as error:
        return {"error": f"refused: {str(error).partition(', expected')[0][:90]}"}
    return {"seconds": time.perf_counter() - start, "memory": most[0]}


def slope(size: int, seconds: float, before: tuple[int, float] | None) -> float | None:
    """The power of the size with which the seconds grow; None if they are too few."""
    if before is None or min(before[1], seconds) <= 0.05:
        return None
    return math.log(seconds / before[1]) / math.log(size / before[0])


if __name__ == "__main__":
    main()
