"""A simulator's images as a folder that every image loader reads: PNG files and a table of labels."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .base import Rendered, Simulator, save_parameters


def render(simulator: Simulator, n: int, out: str | Path, seed: int, overwrite: bool = False) -> None:
    """Write `n` images to the folder `out`.

    `000000.png` and so on; `metadata.jsonl`, a line an image with `file_name` and the labels (whole-number classes as
    numbers, columns of values by name); `parameters.yaml`, the ranges drawn from.

    Args:
        simulator, n, seed: as in `simulator.sample(n, seed)`, whose images these are.
        out: the folder, made where it is missing.
        overwrite: write into a folder that holds files; images of an earlier and longer run are removed.

    Raises:
        InputError: `out` is a file, or a folder that is not empty; or `n` is below 1.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file, expected a folder to write images to")
    if out.exists() and any(out.iterdir()) and not overwrite:
        raise InputError(f"{out}: the folder is not empty, expected an empty or a new one; or set overwrite=True")
    chunks = simulator.stream(n, seed)
    out.mkdir(parents=True, exist_ok=True)
    _remove_images(out)
    save_parameters({p.name: simulator.range(p.name) for p in simulator.parameters}, out / "parameters.yaml")
    done = 0
    with ThreadPoolExecutor() as pool, (out / "metadata.jsonl").open("w") as table:
        for chunk in chunks:
            names = [f"{done + i:06d}.png" for i in range(len(chunk))]
            pixels = chunk.images.movedim(1, -1).squeeze(-1).numpy()
            list(pool.map(_save, pixels, (out / name for name in names)))
            for name, row in zip(names, _rows(chunk, simulator), strict=True):
                table.write(json.dumps({"file_name": name} | row) + "\n")
            done += len(chunk)


def _rows(chunk: Rendered, simulator: Simulator) -> Iterator[dict[str, Any]]:
    """The labels of each image, one value a column."""
    columns: dict[str, list[Any]] = {}
    for label, values in chunk.labels.items():
        if label in simulator.classes:
            names = [int(name) if name.isdecimal() else name for name in simulator.classes[label]]
            columns[label] = [names[i] for i in values.tolist()]
        else:
            columns |= dict(zip(simulator.columns[label], values.T.tolist(), strict=True))
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _save(pixels: NDArray[np.uint8], path: Path) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(path, compress_level=1)


def _remove_images(folder: Path) -> None:
    for path in folder.glob("*.png"):
        if path.stem.isdecimal() and len(path.stem) >= 6:  # ours by its name
            path.unlink()
