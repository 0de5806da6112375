"""Masks as users have them: an array (N, H, W), or a list of arrays (H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...errors import InputError
from ..fitting import Resize
from ..labels import Masks
from ..masks.arrays import fitted_all, masks_of_arrays
from ..masks.legend import named
from ..masks.loading import settled

SIDES = 2  # axes of one mask


def are_masks(y: Any) -> bool:
    """Whether labels are masks: three axes, or a list of pictures with two."""
    if isinstance(y, list | tuple) and len(y):
        first = y[0]
        return isinstance(first, Image.Image) or getattr(first, "ndim", 0) == SIDES
    return getattr(y, "ndim", 0) in (SIDES + 1, SIDES + 2)


def masks_of(
    y: Any, classes: Sequence[str], kept: Tensor | None, sizes: Tensor, size: tuple[int, int], resize: Resize
) -> tuple[Masks, tuple[str, ...]]:
    """Masks of images, and the names of their classes.

    Args:
        y: see `are_masks`; whole numbers or truth values. 255 counts nowhere, if there are others than 0 and 255.
        classes: names of the classes that the numbers are indices of; by default the numbers, see `legend.counted`.
        kept: indices of the images that were kept, (B,) int64; None for all.
        sizes: (B, 2) original height and width of each image.
        size, resize: what the images were brought to, and how.

    Raises:
        InputError: their number, sizes or values do not fit.
    """
    whole = isinstance(y, list | tuple)
    rows = [np.asarray(one) for one in y] if whole else np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y)
    if kept is not None and len(rows) != len(kept):
        rows = [rows[i] for i in kept.tolist()]
    if len(rows) != len(sizes):
        raise InputError(f"{len(sizes)} images but {len(rows)} masks, expected the same number of each")
    legend = named(classes, "classes=") if classes else None
    found = [masks_of_arrays(one[None], legend, "y: the masks")[0] for one in rows]
    wrong = next((i for i, one in enumerate(found) if list(one.shape) != sizes[i].tolist()), None)
    if wrong is not None:
        mask, image = ("x".join(map(str, shape)) for shape in (found[wrong].shape, sizes[wrong].tolist()))
        raise InputError(f"y: mask {wrong} is {mask} for an image of {image} (height x width), expected the same size")
    values = torch.from_numpy(sum(np.bincount(one.ravel(), minlength=256) for one in found))
    names, table = settled("y", values, legend, (), ())
    return Masks(fitted_all(found, table, size, resize)), names
