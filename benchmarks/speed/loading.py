"""Speed of reading images from disk: this library, and a plain DataLoader of two workers.

Both decode batches of 32 shuffled images. Photographs are files, which are brought to 224 by 224, uint8. Small images,
36 by 60 PNG, are read from webdataset shards here, and by the DataLoader from one file each, or with the reader of the
package webdataset from the same shards. The DataLoader decodes with Pillow, resizes bilinearly and keeps its workers
between epochs. This library decodes photographs with the threads of one process, two batches ahead; small images it
decodes once, when they are loaded, which is timed apart, and then reads from a file. Each round is one pass of each,
one after another; the first round is a warm-up. A ratio is our images per second divided by theirs.

    python -m benchmarks.speed.loading [--rounds 5] [--n 192] [--small 8192]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.lib.results import Column, Row, show
from benchmarks.lib.shards import members, write_shards
from benchmarks.lib.timing import ROUNDS, interleaved, rates, ratios, timed
from synth2real import load_unlabelled
from synth2real.data.batch_sampler import sampler_of
from synth2real.data.domains import Inputs
from synth2real.data.read_ahead import ReadAhead
from synth2real.data.reading import ImageFiles
from synth2real.data.reading.pixels import Conversion

SIDE, BATCH, WORKERS = 224, 32, 2
COLUMNS = (
    Column("files", "files"),
    Column("ours", "images/s"),
    Column("theirs", "DataLoader"),
    Column("ratio", "ratio", whole=True),
)
CASES = {
    "PNG of 640 x 480": ((480, 640), "png"),
    "JPEG of 640 x 480": ((480, 640), "jpg"),
    "JPEG of 1280 x 720": ((720, 1280), "jpg"),
}


def photograph(size: tuple[int, int], seed: int) -> Image.Image:
    """An image with detail at all scales and some noise, which compresses like a photograph."""
    generator = np.random.default_rng(seed)
    height, width = size
    whole = generator.normal(0, 4, (height, width, 3))
    for level in range(1, 8):
        coarse = generator.random((2**level, 2**level, 3)) * 255 / 1.7**level
        layer = Image.fromarray(coarse.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        whole += np.asarray(layer)
    return Image.fromarray(whole.clip(0, 255).astype(np.uint8))


class Plain(Dataset[Tensor]):
    """The data set that a tutorial writes."""

    def __init__(self, files: Sequence[Path], small: bool = False) -> None:
        self.files, self.small = files, small

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        if self.small:
            with Image.open(self.files[index]) as opened:
                return torch.from_numpy(np.asarray(opened.convert("L")).copy())[None]
        with Image.open(self.files[index]) as opened:
            image = opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)


def ours(inputs: Inputs) -> Callable[[], int]:
    def run() -> int:
        steps = len(inputs) // BATCH
        with ReadAhead(inputs, sampler_of(inputs, BATCH, 0), steps) as batches:
            return sum(len(batches(step)) for step in range(steps))

    return run


def plain(files: Sequence[Path], small: bool = False) -> Callable[[], int]:
    data = Plain(files, small)
    loader = DataLoader(data, BATCH, shuffle=True, drop_last=True, num_workers=WORKERS, persistent_workers=True)
    return lambda: sum(len(batch) for batch in loader)


def packaged(shards: Path) -> Callable[[], int]:
    """The reader of the package webdataset, with its shuffling by a buffer."""
    import webdataset

    pattern = [str(file) for file in sorted(shards.iterdir())]
    read = webdataset.WebDataset(pattern, shardshuffle=len(pattern)).shuffle(1000).decode("l8").to_tuple("png")
    loader = DataLoader(read.batched(BATCH), None, num_workers=WORKERS, persistent_workers=True)
    return lambda: sum(len(batch) for (batch,) in loader)


def compared(contestants: dict[str, Callable[[], int]], count: int, rounds: int) -> Row:
    """Images per second of ours and theirs, which read `count` images, and their ratio."""
    times = interleaved({who: timed(run) for who, run in contestants.items()}, rounds)
    speeds = {who: rates(count // BATCH * BATCH, seconds) for who, seconds in times.items()}
    return {**speeds, "ratio": ratios(times["theirs"], times["ours"])}


def photographs(rounds: int, count: int) -> Iterator[Row]:
    """Rows of photographs, files of their own, that are brought to 224 by 224."""
    for name, (size, suffix) in CASES.items() if count else ():
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{i}.{suffix}" for i in range(count)]
            for i, file in enumerate(files):
                photograph(size, i).save(file, quality=90, compress_level=3)  # each format takes its own
            inputs = ImageFiles(files, Conversion((SIDE, SIDE), 3))
            found = compared({"ours": ours(inputs), "theirs": plain(files)}, count, rounds)
            yield {"part": "photographs", "files": name, **found}


def small(rounds: int, count: int) -> Iterator[Row]:
    """Rows of small images in shards."""
    with tempfile.TemporaryDirectory() as folder:
        shards, files = Path(folder) / "shards", Path(folder) / "files"
        write_shards(shards, count, shard=1024)
        files.mkdir()
        for name, content in members(shards):
            if name.endswith(".png"):
                (files / name).write_bytes(content)
        start = time.perf_counter()
        inputs = load_unlabelled(shards, memory=0).inputs
        rate = len(inputs) / (time.perf_counter() - start)
        yield {"part": "small", "files": "loading shards with all checks, once", "ours": rate}
        theirs = {"one file an image": plain(sorted(files.iterdir()), True)}
        if find_spec("webdataset") is not None:
            theirs["the reader of the package webdataset"] = packaged(shards)
        for name, run in theirs.items():
            found = compared({"ours": ours(inputs), "theirs": run}, count, rounds)
            yield {"part": "small", "files": f"shards of PNG of 60 x 36, beside {name}", **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--n", type=int, default=192, help="photographs of each kind, a multiple of 32; 0 for none")
    parser.add_argument("--small", type=int, default=8192, help="small images, a multiple of 1024")
    arguments = parser.parse_args()
    rows = [*small(arguments.rounds, arguments.small), *photographs(arguments.rounds, arguments.n)]
    show("speed/loading", COLUMNS, rows, vars(arguments), ["pillow", "webdataset"])


if __name__ == "__main__":
    main()
