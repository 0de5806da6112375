"""Rendered images as they are written: PNG files, and rows of labels."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..engines import Span
from .base import Rendered, Simulator

Row = dict[str, Any]
MASK_COLOURS = ((60, 60, 60), (240, 240, 240), (70, 130, 220), (220, 60, 60))


@dataclass(frozen=True)
class RenderedPart:
    """Renders and encodes a part of the images, in any process; the arguments are those of `export.render`."""

    simulator: Simulator
    n: int
    seed: int
    masks: bool

    def __call__(self, part: Span) -> list[tuple[bytes, bytes | None, Row]]:
        """For each image of the part: the PNG, the PNG of its mask, and the labels."""
        chunk = next(self.simulator.stream(self.n, self.seed, part.first // self.simulator.chunk))
        return encoded_rows(chunk, self.simulator, self.masks)


def encoded_rows(chunk: Rendered, simulator: Simulator, masks: bool) -> list[tuple[bytes, bytes | None, Row]]:
    """For each image: the PNG, the PNG of its mask, and the labels. Encodes with as many threads as torch has."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        pixels = chunk.images.movedim(1, -1).squeeze(-1).numpy()
        drawn = pool.map(_indexed, _regions(chunk, simulator)) if masks else iter([None] * len(chunk))
        return list(zip(pool.map(_png, pixels), drawn, _rows(chunk, simulator), strict=True))


def _rows(chunk: Rendered, simulator: Simulator) -> Iterator[Row]:
    """The labels of each image, one value per column."""
    columns: dict[str, list[Any]] = {}
    for label, values in chunk.labels.items():
        if label in simulator.classes:
            names = [int(name) if name.isdecimal() else name for name in simulator.classes[label]]
            columns[label] = [names[i] for i in values.tolist()]
        else:
            known = ([x if x == x else None for x in column] for column in values.T.tolist())  # JSON has no nan
            columns |= dict(zip(simulator.columns[label], known, strict=True))
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _regions(chunk: Rendered, simulator: Simulator) -> NDArray[np.uint8]:
    """(N, H, W), index of the region of each pixel."""
    masks = torch.stack([chunk.masks[name] for name in simulator.regions])
    return masks.to(torch.uint8).argmax(0).to(torch.uint8).numpy()


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    return _encoded(Image.fromarray(pixels))


def _indexed(regions: NDArray[np.uint8]) -> bytes:
    """A PNG of region indices, with a palette that makes the regions visible."""
    from PIL import Image

    image = Image.fromarray(regions, "P")
    image.putpalette([level for colour in MASK_COLOURS for level in colour])
    return _encoded(image)


def _encoded(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
