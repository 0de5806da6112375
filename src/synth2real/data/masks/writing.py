"""Masks as PNG with a palette: the index of a class is the value of its pixels, and each class has a colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import InputError
from ...storage import whole
from ..labels import IGNORED
from .legend import Colour

BITS = 8
UNKNOWN: Colour = (224, 224, 192)  # of pixels that count nowhere


def colour_of(index: int) -> Colour:
    """The colour of a class, as in PASCAL VOC: black, dark red, dark green, ... Neighbours differ in it."""
    if index == IGNORED:
        return UNKNOWN
    parts = [0, 0, 0]
    for bit in range(BITS - 1, -1, -1):
        for channel in range(3):
            parts[channel] |= (index & 1) << bit
            index >>= 1
    return parts[0], parts[1], parts[2]


def write_mask(path: Path, index: NDArray[np.uint8]) -> None:
    """Write class indices (H, W) as a PNG with a palette, whole or not at all."""
    picture = Image.fromarray(index, "P")
    picture.putpalette([part for one in range(IGNORED + 1) for part in colour_of(one)])
    with whole(path) as partial:
        picture.save(partial, "PNG")


def mask_names(names: Sequence[str]) -> list[str]:
    """The path of the mask of each image: that of the image, with the suffix `.png`.

    Raises:
        InputError: two images would have one mask.
    """
    found: dict[str, str] = {}
    for name in names:
        path = PurePosixPath(name)
        mask = str(path.with_suffix(".png") if path.suffix else path.with_name(f"{path.name}.png"))
        if mask in found:
            raise InputError(
                f"the masks of {found[mask]} and {name} would both be {mask}, expected images whose names differ in "
                "more than their suffix. Rename one, or predict them one by one"
            )
        found[mask] = name
    return list(found)
