"""Webdataset shards of small images that are all alike, for measurements of many."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from synth2real.data.shards.rewriting import add_member

SIZE = (36, 60)  # of the images of eyes of the SimGAN paper
DIFFERENT = 512  # images; the others repeat them
SHARD = 10_000  # images


def small_images(seed: int = 0, size: tuple[int, int] = SIZE) -> list[bytes]:
    """PNG files of smooth grey images with noise. Those of odd numbers are brighter, which is their class."""
    generator = np.random.default_rng(seed)
    height, width = size
    slope = np.add.outer(np.linspace(0, 60, height), np.linspace(0, 60, width))
    found = []
    for i in range(DIFFERENT):
        out = io.BytesIO()
        noisy = slope + 40 + 60 * (i % 2) + generator.normal(0, 6, size)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "PNG")
        found.append(out.getvalue())
    return found


def write_shards(folder: Path, count: int, seed: int = 0, shard: int = SHARD) -> None:
    """Write `count` images with the fields `png` and `cls`, `shard` of them in a shard."""
    images = small_images(seed)
    folder.mkdir(parents=True)
    for number, start in enumerate(range(0, count, shard)):
        with tarfile.open(folder / f"{number:06d}.tar", "w") as archive:
            for i in range(start, min(start + shard, count)):
                add_member(archive, f"{i:07d}.png", images[i % DIFFERENT])
                add_member(archive, f"{i:07d}.cls", b"1" if i % 2 else b"0")


def members(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All members of all shards: name and content."""
    for shard in sorted(folder.iterdir()):
        with tarfile.open(shard) as archive:
            for member in archive:
                file = archive.extractfile(member)
                assert file is not None
                yield member.name, file.read()
