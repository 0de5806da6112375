"""Arrays of numpy and torch, and whatever numpy takes for an array: images or features.

Images are (N, H, W, C), (N, C, H, W) or (N, H, W), uint8 or floats in 0..1. Features are (N, F).
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageColor
from torch import Tensor

from ...errors import InputError
from ..domains import MOST
from ..reading.images import LEAST_SIDE, resize
from ..reading.pixels import Conversion, read_opened
from ..tiles.wholes import of_arrays
from .base import Ask, Found

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by the number of channels
LIKE_BYTES = 64  # a highest pixel above it is one of 0..255, if it is not more
ROUNDING = 1e-3  # how far floats may be outside 0..1


def read_array(value: Any, ask: Ask, what: str = "X") -> Found:
    """The images or features of an array, which is not copied if it already has the form that training needs.

    Raises:
        InputError: the shape or type is neither of images nor of features, the channel axis is not clear, or values
            are not finite or out of range.
    """
    x = as_array(value, what)
    if x.ndim not in (2, 3, 4):
        raise InputError(
            f"{what} has the shape {x.shape}, expected images (N, H, W, C), (N, C, H, W) or (N, H, W), or features "
            "(N, F). For a single sample write x[None], for a single feature x[:, None]"
        )
    if len(x) == 0:
        raise InputError(f"{what} has the shape {x.shape} and is empty, expected at least one sample")
    if x.ndim == 2:
        return Found(features_of(x, what))
    if x.dtype.kind not in "biuf":
        raise InputError(f"{what} has pixels of {x.dtype}, expected uint8 in 0..255 or floats in 0..1")
    last = is_channels_last(x.shape[1:], ask.channels_last, what)
    low, high = float(x.min()), float(x.max())
    how = replace(ask.how, depth=None) if x.dtype.kind == "f" and high <= 1 else ask.how  # no levels of a camera
    check_pixels(x.dtype, low, high, how.depth, what)
    images = of_arrays(as_images(x, last, how), how.size, how.resize)
    height, width = x.shape[1:] if last is None else x.shape[1:3] if last else x.shape[2:]
    sizes = None if ask.how.size is None else torch.tensor([[height, width]]).repeat(len(x), 1)
    return Found(images, sizes, resize=ask.how.resize)


def as_array(value: Any, what: str) -> NDArray[Any]:
    """A value as a numpy array in this machine's byte order, without a copy where possible."""
    if isinstance(value, Tensor):
        if value.layout != torch.strided:
            raise InputError(f"{what} is a sparse tensor, expected a dense one. Convert it: x.to_dense()")
        value = value.detach().cpu()
        return np.asarray(value.float() if value.dtype == torch.bfloat16 else value)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(f"{what} is an array with masked values, expected all of them. Fill them: x.filled(0)")
    try:
        x = np.asarray(value)
    except ValueError:
        raise InputError(
            f"{what} is a {type(value).__name__} of arrays of different shapes, expected one shape. Give features of "
            "one width; of images make PIL images and give a size: [Image.fromarray(x) for x in X], size=(64, 64)"
        ) from None
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def features_of(x: NDArray[Any], what: str) -> Tensor:
    """Features (N, F) of real numbers as float32.

    Raises:
        InputError: there is no feature, or a value is no number, not finite, or too large for float32.
    """
    if x.shape[1] == 0:
        raise InputError(f"{what} has the shape {x.shape} and no feature, expected one or more")
    if x.dtype.kind == "O":
        try:
            x = x.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"{what} has features that are no numbers ({error}), expected real numbers") from None
    if x.dtype.kind not in "biuf":
        raise InputError(f"{what} has features of {x.dtype}, expected real numbers. Convert or leave out the columns")
    if x.dtype.kind == "f":
        wrong = ~(np.abs(x) <= MOST)  # also NaN
        if wrong.any():
            row, column = np.argwhere(wrong)[0].tolist()
            raise InputError(
                f"{what} has the feature {x[row, column]} in row {row}, column {column}, expected finite numbers. "
                "Fill it, or leave the sample out"
            )
    return _tensor(x.astype(np.float32, copy=False))


def is_channels_last(shape: tuple[int, ...], said: bool | None, what: str) -> bool | None:
    """Whether images of one shape have their channels last; None for grey images (H, W).

    A side of an image has 4 pixels or more, which tells 1 to 3 channels apart from a side.

    Raises:
        InputError: neither or both are possible.
    """
    if len(shape) == 2:
        if min(shape) < LEAST_SIDE:
            raise InputError(
                f"{what} has the shape (N, {shape[0]}, {shape[1]}), read as grey images of {shape[0]}x{shape[1]} "
                f"pixels, expected at least {LEAST_SIDE}x{LEAST_SIDE}. For a single image write x[None]"
            )
        return None
    first, last = (
        channels in MODES and min(sides) >= LEAST_SIDE
        for channels, sides in ((shape[0], shape[1:]), (shape[2], shape[:2]))
    )
    found = f"{what} has the shape (N, {', '.join(map(str, shape))})"
    if said is not None and not (last if said else first):
        raise InputError(f"{found}, which is not {'(N, H, W, C)' if said else '(N, C, H, W)'}. Leave channels_last out")
    if first and last and said is None:
        raise InputError(
            f"{found}: both axes can be the channels. Say which: channels_last=True for (N, H, W, C), False for "
            "(N, C, H, W)"
        )
    if not first and not last:
        raise InputError(
            f"{found}, expected images (N, H, W, C) or (N, C, H, W) with 1 or 3 channels, or 2 or 4 with an alpha "
            f"channel, and sides of at least {LEAST_SIDE} pixels. Images of other channels: Labelled(tensor, labels)"
        )
    return last if said is None else said


def check_pixels(dtype: np.dtype[Any], low: float, high: float, depth: int | None, what: str) -> None:
    """Raise `InputError` unless pixels of a type and range are what images have, with the way to mend them."""
    found = f"{what} has pixels of {dtype} from {low:.4g} to {high:.4g}"
    expected = "expected uint8 in 0..255 or floats in 0..1"
    white = 1.0 if depth is None else 2.0**depth - 1
    if dtype.kind == "b":
        raise InputError(f"{found}, {expected}. Convert them: x.astype('uint8') * 255")
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{what} has pixels that are NaN or infinite, {expected}. Leave these images out")
    if dtype == np.uint8:
        if high == 1:
            raise InputError(
                f"{found}: almost black. They look like floats cut to whole numbers. Multiply by 255 first"
            )
        return
    if low < -ROUNDING:
        raise InputError(
            f"{found}, {expected}. They look normalised. Undo it: x * std + mean, or (x + 1) / 2 for -1..1. "
            "Normalisation is part of the model"
        )
    if dtype.kind in "iu" and depth is None:
        raise InputError(
            f"{found}, {expected}. Say their bits per pixel: depth={8 if high <= 255 else 16}"
            + ("" if high > 255 else ", or convert them: x.astype('uint8')")
        )
    if high > white * (1 + ROUNDING):
        mend = (
            "They look like 0..255: divide by 255, or convert them: x.astype('uint8')"
            if depth is None and LIKE_BYTES < high <= 255
            else "Divide by the largest value that a pixel can have, or say their bits per pixel: depth=16"
        )
        raise InputError(f"{found}, expected at most {white:g}. {mend}")


def as_images(x: NDArray[Any], last: bool | None, how: Conversion) -> Tensor:
    """Checked pixels as images (N, C, H, W), uint8 or float32 in 0..1, with the size and channels of `how`; of
    tiles still whole."""
    x = x[:, None] if last is None else np.moveaxis(x, 3, 1) if last else x
    if x.dtype.kind in "iu" and x.dtype != np.uint8:
        x = (x * (255 / (2.0 ** (how.depth or 8) - 1))).round().astype(np.uint8)
    if x.dtype.kind == "f":
        white = 1.0 if how.depth is None else 2.0**how.depth - 1
        x = x.astype(np.float32, copy=False)
        x = x if white == 1 and x.min() >= 0 and x.max() <= 1 else (x / np.float32(white)).clip(0, 1)
    height, width = x.shape[2:]
    as_it_is = how.frame in (None, (height, width)) and (how.channels or x.shape[1]) == x.shape[1]
    if x.dtype == np.uint8 and not (as_it_is and x.shape[1] in (1, 3)):
        return torch.from_numpy(np.stack([read_opened(_picture(one), how).pixels for one in x]))
    return resize(_tensor(_laid(x, how.background) if x.shape[1] in (2, 4) else x), how.frame, how.channels, how.resize)


def _picture(pixels: NDArray[Any]) -> Image.Image:
    """Pixels (C, H, W) uint8 as an image of Pillow, which gives the same bits as an image file."""
    _, height, width = pixels.shape
    return Image.frombytes(MODES[len(pixels)], (width, height), pixels.transpose(1, 2, 0).tobytes())


def _laid(x: NDArray[Any], background: str) -> NDArray[Any]:
    """Images (N, 2 or 4, H, W) of floats with an alpha channel, laid on a background."""
    colours, alpha = x[:, :-1], x[:, -1:]
    behind = ImageColor.getcolor(background, "L" if x.shape[1] == 2 else "RGB")
    under = np.atleast_1d(np.asarray(behind, dtype=np.float32))[None, :, None, None] / 255
    laid: NDArray[Any] = colours * alpha + under * (1 - alpha)
    return laid


def _tensor(x: NDArray[Any]) -> Tensor:
    """A tensor of an array, without a copy where torch allows it. Nothing here writes into inputs."""
    if any(stride < 0 or stride % x.itemsize for stride in x.strides):
        x = np.ascontiguousarray(x)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(x)
