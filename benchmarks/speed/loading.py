"""Speed of reading photographs from disk: this library, and a plain DataLoader of two workers.

Both decode batches of 32 shuffled images and bring them to 224 by 224, uint8. The DataLoader decodes with Pillow,
resizes bilinearly and keeps its workers between epochs. This library decodes with the threads of one process, two
batches ahead. Each round is one pass of each, one after another; the first round is a warm-up. A ratio is our images
per second divided by theirs.

    python -m benchmarks.speed.loading [--rounds 5] [--n 192]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.lib.machine import describe
from synth2real.data.batch_sampler import BatchSampler
from synth2real.data.read_ahead import ReadAhead
from synth2real.data.reading import ImageFiles
from synth2real.data.reading.pixels import Conversion

SIDE, BATCH, WORKERS = 224, 32, 2
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

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.files[index]) as opened:
            image = opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)


def ours(files: Sequence[Path]) -> Callable[[], int]:
    inputs = ImageFiles(files, Conversion((SIDE, SIDE), 3))

    def run() -> int:
        steps = len(files) // BATCH
        with ReadAhead(inputs, BatchSampler(len(files), BATCH, 0), steps) as batches:
            return sum(len(batches(step)) for step in range(steps))

    return run


def plain(files: Sequence[Path]) -> Callable[[], int]:
    loader = DataLoader(Plain(files), BATCH, shuffle=True, drop_last=True, num_workers=WORKERS, persistent_workers=True)
    return lambda: sum(len(batch) for batch in loader)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n", type=int, default=192, help="images of each kind, a multiple of 32")
    arguments = parser.parse_args()
    print(describe("pillow"))
    print(f"{'':20} images/s  DataLoader   ratio (median of {arguments.rounds}, least to most)")
    for name, (size, suffix) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{i}.{suffix}" for i in range(arguments.n)]
            for i, file in enumerate(files):
                photograph(size, i).save(file, quality=90, compress_level=3)  # each format takes its own
            contestants = {"ours": ours(files), "theirs": plain(files)}
            speeds: dict[str, list[float]] = {who: [] for who in contestants}
            for round_ in range(arguments.rounds + 1):
                for who, run in contestants.items():
                    start = time.perf_counter()
                    count = run()
                    if round_:
                        speeds[who].append(count / (time.perf_counter() - start))
        ratios = sorted(mine / other for mine, other in zip(speeds["ours"], speeds["theirs"], strict=True))
        middle = [statistics.median(speeds[who]) for who in ("ours", "theirs")]
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{name:20} {middle[0]:8.0f}  {middle[1]:10.0f}   {spread}")


if __name__ == "__main__":
    main()
