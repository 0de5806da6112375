"""Masks in arrays: of an `.npz`, or as `Labelled.of` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ..fitting import TILES, Resize
from ..labels import IndexMaps
from ..tiles.wholes import HeldWholes
from .legend import WHITE, Legend
from .pixels import Sides, check_deep, fitted_index


def masks_of_arrays(found: NDArray[Any], legend: Legend | None, what: str) -> NDArray[np.uint8]:
    """Masks (N, H, W) as indices of classes; without a legend as ids.

    Args:
        found: whole numbers or truth values.
        legend: what they mean.
        what: begins the message of an error.

    Raises:
        InputError: the shape or type is another one, or an id is not in the legend.
    """
    if found.ndim == 4 and found.shape[3] == 1:
        found = found[..., 0]
    if found.ndim != 3 or found.dtype.kind not in "biu":
        raise InputError(
            f"{what} are {found.dtype} {found.shape}, expected ids of classes (N, H, W) of whole numbers. Convert "
            "them: masks.astype('uint8'), or masks.argmax(-1) for one channel a class"
        )
    if found.dtype.kind == "b":
        found = found.astype(np.uint8) * np.uint8(WHITE if legend is None else 1)
    if found.size and int(found.min()) < 0:
        raise InputError(
            f"{what} hold the id {int(found.min())}, expected ids of 0 or more. Write 255 to ignore pixels"
        )
    if found.dtype != np.uint8:
        if found.size and int(found.max()) > 255:
            check_deep(found, legend, what)
        else:
            found = found.astype(np.uint8)
    try:
        return np.ascontiguousarray(found if legend is None else legend.of_ids(found))
    except ValueError as error:
        raise InputError(f"{what}: {error}") from None


def fitted_all(
    masks: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], table: Tensor, size: Sides, resize: Resize
) -> IndexMaps:
    """Masks of any size as indices (N, H, W) uint8 of one size, see `pixels.fitted_index`; those of tiles still whole.

    Args:
        masks: values (H, W) of each image.
        table: (256,) uint8, the index of each value.
        size: height and width of the result.
        resize: how the images were brought to that size.
    """
    if resize == TILES:
        return HeldWholes([table.numpy()[mask] for mask in masks], size)
    found = torch.empty((len(masks), *size), dtype=torch.uint8)
    for i, mask in enumerate(masks):
        found[i].numpy()[:] = fitted_index(table.numpy()[mask], size, resize)
    return found
