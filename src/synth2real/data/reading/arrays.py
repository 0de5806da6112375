"""Inputs in the arrays of an `.npz`: images or features, dense or sparse."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ..domains import Inputs
from ..sparse import from_compressed, is_compressed
from ..tiles.wholes import of_arrays
from .images import resize
from .npz import Arrays
from .pixels import Conversion
from .tables import listed


def array_inputs(path: Path, arrays: Arrays, conversion: Conversion) -> tuple[Inputs, dict[str, Any]]:
    """The inputs, and what a domain of them keeps of the conversion."""
    if is_compressed(arrays):
        return from_compressed(path, arrays), {}
    if "features" in arrays:
        return _features(path, arrays.numbers("features")), {}
    if "images" not in arrays:
        raise InputError(f"{path}: found the arrays {listed(arrays.keys())}, expected 'images' or 'features'")
    images = arrays["images"]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise InputError(f"{path}: 'images' of shape {images.shape}, expected (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    if images.size == 0:
        raise InputError(f"{path}: 'images' of shape {images.shape} have no pixels, expected one image or more")
    if images.dtype != np.uint8:
        if np.issubdtype(images.dtype, np.floating) and np.isnan(images).any():
            row = int(np.isnan(images).reshape(len(images), -1).any(1).argmax())
            raise InputError(f"{path}: 'images' contains NaN, first in row {row}, expected numbers in 0..1. Remove it")
        if not np.issubdtype(images.dtype, np.floating) or not (images.min() >= 0 and images.max() <= 1):
            raise InputError(f"{path}: 'images' of {images.dtype}, expected uint8 in 0..255 or floats in 0..1")
        images = images.astype(np.float32)
    x = torch.from_numpy(np.ascontiguousarray(images if images.ndim == 4 else images[..., None])).permute(0, 3, 1, 2)
    given = torch.tensor(x.shape[2:]).expand(len(x), 2).clone()
    x = resize(x.contiguous(), conversion.frame, conversion.channels, conversion.resize)
    inputs = of_arrays(x, conversion.size, conversion.resize)
    return inputs, {} if conversion.size is None else {"sizes": given, "resize": conversion.resize}


def _features(path: Path, values: NDArray[np.float64]) -> Tensor:
    if values.ndim != 2 or values.shape[1] == 0:
        raise InputError(f"{path}: 'features' of shape {values.shape}, expected (N, F) with one feature or more")
    if np.isnan(values).any():
        row, column = np.argwhere(np.isnan(values))[0].tolist()
        raise InputError(
            f"{path}: 'features' contains NaN, first in row {row}, column {column}, expected numbers. Fill or remove it"
        )
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def columns_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values (N, ...) as (N, K)."""
    return values.reshape(len(values), math.prod(values.shape[1:]))
