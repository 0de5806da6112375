"""Image files to tensors: decoding in threads, resizing, and conversion between grey and colour."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from .domains import Inputs

ORIENTATION = 0x0112  # EXIF tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PREVIEWS = ("MPO",)  # formats whose further frames belong to the first image
LARGE, RATIO = 2**25, 100  # pixels; an image with more pixels, and with more than so many for each byte, is refused
IN_MEMORY = 4 * 2**30  # bytes; a larger set of decoded images stays on disk


@dataclass(frozen=True)
class Decoded:
    """Images (N, C, H, W) uint8, in memory or on disk; original sizes (N, 2); indices of the files kept."""

    images: Inputs
    sizes: Tensor | None
    kept: list[int]


class ImageFiles:
    """Images that stay on disk. Threads decode one batch at a time.

    `files[index]` returns (B, C, H, W) uint8.
    """

    def __init__(self, files: Sequence[Path], size: tuple[int, int], channels: int) -> None:
        self.files, self.size, self.channels = list(files), size, channels
        self.shape = torch.Size((len(self.files), channels, *size))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        if len(index) == 0:
            return torch.empty(0, *self.shape[1:], dtype=torch.uint8)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            arrays = list(pool.map(lambda i: _read(self.files[i], self.size, self.channels)[0], index.tolist()))
        return torch.from_numpy(np.stack(arrays))

    def subset(self, index: Tensor) -> Inputs:
        """The images at `index` (B,) int64. They are decoded if they fit in memory, otherwise they stay on disk."""
        if len(index) * self.shape[1:].numel() <= IN_MEMORY:
            return self[index]
        return ImageFiles([self.files[i] for i in index.tolist()], self.size, self.shape[1])


def _read(file: Path, size: tuple[int, int] | None, channels: int | None) -> tuple[np.ndarray, tuple[int, int]]:
    """One image as (C, H, W) uint8, and its (height, width) on disk."""
    with Image.open(file) as opened:
        frames = getattr(opened, "n_frames", 1)
        if frames > 1 and opened.format not in PREVIEWS:
            raise ValueError(f"found {frames} frames, expected one image; save each frame as a file")
        pixels, packed = opened.width * opened.height, file.stat().st_size
        if pixels > max(LARGE, RATIO * packed):
            raise ValueError(
                f"found {opened.width} by {opened.height} pixels in {packed} bytes, expected at most {RATIO} pixels a byte; "
                "save it uncompressed if it is yours"
            )
        image = _opaque(_upright(opened))
        given = (image.height, image.width)
        if image.mode.startswith(("I", "F")):  # more than 8 bits per pixel
            image = _eight_bits(image)
        if channels is None:
            channels = 1 if image.mode in ("1", "L", "LA") else 3
        image = image.convert("L" if channels == 1 else "RGB")
    if size is not None and size != given:
        shrinks = size[0] <= given[0] and size[1] <= given[1]
        image = image.resize((size[1], size[0]), Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1)), given


def _upright(image: Image.Image) -> Image.Image:
    """The image as its EXIF orientation says. No other tag is read, because cameras write them in many wrong ways."""
    turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _opaque(image: Image.Image) -> Image.Image:
    """The image on white if it is transparent: the colours under transparent pixels are hidden and arbitrary."""
    if not image.has_transparency_data:
        return image
    grey = image.mode in ("L", "LA", "1")
    above = image.convert("RGBA")
    white = Image.new("RGBA", above.size, "white")
    return Image.alpha_composite(white, above).convert("L" if grey else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """An image of more than 8 bits as 8 bits.

    Floats are in 0..1, or whole levels in 0..255. Integers fill 16 bits, or 8 if none is above 255.
    """
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("found NaN or infinite pixels, expected finite ones")
    unit = values.min() >= 0 and values.max() <= 1
    if image.mode == "F" and not unit and not (values.min() >= 0 and values.max() <= 255 and (values % 1 == 0).all()):
        raise ValueError(
            f"found floats from {values.min():.4g} to {values.max():.4g}, expected 0 to 1; save it as integers of 8 or "
            "16 bits"
        )
    if image.mode == "F" and unit:
        values = (255 * values).round()
    scale = 257 if image.mode.startswith("I;16") or values.max() > 255 else 1
    return Image.fromarray((values / scale).clip(0, 255).astype(np.uint8))


def decode(files: Sequence[Path], size: tuple[int, int] | None, channels: int | None, skip_bad: bool) -> Decoded:
    """Decode images. All decoded images have the same size and channels.

    Args:
        files: at least one file.
        size: (height, width) to resize to, without keeping the aspect ratio. An area filter is used for shrinking.
            None keeps the original size.
        channels: 1, 3, or None to keep the channels of the images.
        skip_bad: skip unreadable files with a warning instead of raising.

    Raises:
        InputError: a file is unreadable or truncated, no file is readable, or two images differ in size or channels.
    """
    first: tuple[int, tuple[int, ...]] | None = None
    arrays: list[np.ndarray] = []
    kept, sizes, bad = [], [], []
    budget = IN_MEMORY
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for i, result in enumerate(pool.map(lambda file: _try_read(file, size, channels), files)):
            if isinstance(result, str):
                if not skip_bad:
                    raise InputError(
                        f"{files[i]}: unreadable image ({result}). Repair or remove it, or pass --skip-bad"
                    )
                bad.append(files[i])
                continue
            array, given = result
            first = first or (i, array.shape)
            if array.shape != first[1]:
                raise _differ(files[first[0]], first[1], files[i], array.shape)
            kept.append(i)
            sizes.append(given)
            budget -= array.nbytes
            if budget >= 0:
                arrays.append(array)
            else:
                arrays.clear()
    if bad:
        warnings.warn(f"skipped {len(bad)} unreadable images: {', '.join(map(str, bad))}", stacklevel=2)
    if first is None:
        raise InputError(f"{files[0].parent}: none of {len(files)} images can be read, expected at least one")
    if budget >= 0:
        images: Inputs = torch.from_numpy(np.stack(arrays))
    else:
        images = ImageFiles([files[i] for i in kept], (first[1][1], first[1][2]), first[1][0])
    return Decoded(images, None if size is None else torch.tensor(sizes), kept)


def _try_read(
    file: Path, size: tuple[int, int] | None, channels: int | None
) -> tuple[np.ndarray, tuple[int, int]] | str:
    try:
        return _read(file, size, channels)
    except Exception as error:  # decoders raise errors of any kind for damaged files
        return str(error).replace(str(file), file.name) or type(error).__name__


def _differ(a: Path, shape_a: tuple[int, ...], b: Path, shape_b: tuple[int, ...]) -> InputError:
    if shape_a[0] != shape_b[0]:
        return InputError(
            f"images differ in channels: {a} has {shape_a[0]}, {b} has {shape_b[0]}. "
            "Convert them on load with --channels 1 or --channels 3"
        )
    return InputError(
        f"images differ in size: {a} is {shape_a[1]}x{shape_a[2]}, {b} is {shape_b[1]}x{shape_b[2]} (height x width). "
        f"Resize them on load, for example with --size {shape_a[1]}x{shape_a[2]}"
    )


def resize(images: Tensor, size: tuple[int, int] | None, channels: Literal[1, 3] | None) -> Tensor:
    """Resize (N, C, H, W) images with an antialiased filter and convert their channels. The dtype does not change."""
    if channels is not None and channels != images.shape[1]:
        images = images.expand(-1, 3, -1, -1).contiguous() if channels == 3 else _grey(images)
    if size is None or tuple(images.shape[2:]) == size:
        return images
    shrinks = size[0] <= images.shape[2] and size[1] <= images.shape[3]
    parts = []
    for part in images.split(4096):  # limits the memory of the float copy
        x = part.float()
        x = F.interpolate(x, size, mode="area") if shrinks else F.interpolate(x, size, mode="bilinear", antialias=True)
        parts.append(x.round().clamp(0, 255).to(torch.uint8) if images.dtype == torch.uint8 else x)
    return torch.cat(parts)


def _grey(images: Tensor) -> Tensor:
    """Luma of ITU-R 601, with the same weights as Pillow."""
    grey = (images.float() * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return grey.round().to(images.dtype) if images.dtype == torch.uint8 else grey
