"""One mask as class indices: files of ids, palettes and colours, and masks that are drawn from annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import InputError
from ..fitting import Resize, place
from ..formats.record import Record
from ..labels import IGNORED
from .legend import FILE, INSTANCES, WHITE, Legend

SINGLE, COLOURED = ("1", "L", "P", "LA", "PA"), ("RGB", "RGBA", "RGBX")  # modes of Pillow
LOSSY = ("JPEG", "MPO")
Sides = tuple[int, int]


class Drawn(Protocol):
    """One mask that is read on access. Its text is what messages call it."""

    def read(self) -> NDArray[np.uint8]:
        """(H, W): indices of classes, or ids where there is no legend.

        Raises:
            InputError: it cannot be read, or holds what the legend does not have.
        """


@dataclass(frozen=True)
class MaskFile:
    """A mask in a file.

    Args:
        file: single-channel (ids), with a palette (whose indices are the ids), or colour-coded.
        legend: what its values mean; None to return its ids.
    """

    file: Path
    legend: Legend | None = None

    def __str__(self) -> str:
        return str(self.file)

    def read(self) -> NDArray[np.uint8]:
        try:
            with Image.open(self.file) as opened:
                found = self._indices(opened)
        except InputError:
            raise
        except Exception as error:  # decoders raise errors of any kind for damaged files
            why = str(error) or type(error).__name__
            raise InputError(f"{self.file}: unreadable mask ({why}). Repair it, or remove it and its image") from None
        try:
            return found if self.legend is None else of_legend(found, self.legend)
        except ValueError as error:
            raise InputError(f"{self.file}: {error}") from None

    def _indices(self, opened: Image.Image) -> NDArray[Any]:
        """Ids (H, W), or colours (H, W, 3) where the legend has colours."""
        legend = self.legend
        if getattr(opened, "n_frames", 1) > 1:
            raise ValueError(f"{getattr(opened, 'n_frames', 1)} frames, expected one")
        if opened.format in LOSSY:
            raise InputError(
                f"{self.file}: is a mask in JPEG, which changes the ids at edges, expected a lossless file. Save the "
                "masks as PNG"
            )
        coloured = legend is not None and bool(legend.colours) and not legend.ids
        if opened.mode in COLOURED or (coloured and opened.mode == "P"):
            pixels = np.asarray(opened.convert("RGB"))
            if legend is not None and legend.colours:
                return pixels
            if (pixels == pixels[..., :1]).all():  # grey that was saved as colours
                return pixels[..., 0]
            raise InputError(
                f"{self.file}: is a colour-coded mask, but there is no colour of a class. Write them into {FILE} in "
                'the folder: {background: "#000000", nucleus: "#ff0000"}, or save the masks with one channel of ids'
            )
        if opened.mode in SINGLE:
            array = np.asarray(opened)
            array = (array[..., 0] if array.ndim == 3 else array).astype(np.uint8, copy=False)
            return array * np.uint8(WHITE) if opened.mode == "1" and legend is None else array
        array = np.asarray(opened)
        if array.ndim != 2 or array.dtype.kind not in "iu":
            raise InputError(
                f"{self.file}: is a mask of the mode {opened.mode}, expected ids in one channel of 8 bits, a palette "
                "or colours. Save the masks as PNG"
            )
        check_deep(array, legend, str(self.file))
        return array


def check_deep(ids: NDArray[Any], legend: Legend | None, what: str) -> None:
    """Raise `InputError` where ids of more than 8 bits are not explained by a legend: they may be of instances."""
    if legend is None:
        raise InputError(
            f"{what}: is a mask of {8 * ids.dtype.itemsize} bits with ids up to {int(ids.max())}, which are probably "
            "of instances, expected ids of classes. Save the classes of the pixels; or if every id above 0 is of one "
            f"class, write into {FILE}: {{0: background, 1: nucleus, {INSTANCES}: foreground}}"
        )


def of_legend(found: NDArray[Any], legend: Legend) -> NDArray[np.uint8]:
    """Indices of classes (H, W) of ids (H, W) or colours (H, W, 3). Raise `ValueError` for unknown ones."""
    return legend.of_colours(found) if found.ndim == 3 else legend.of_ids(found)


@dataclass(frozen=True)
class DrawnRecord:
    """The mask of a record: the regions of its classes, or else its instances, large ones under small ones.

    Pixels of an ignored instance, such as a crowd, that no other one covers count nowhere.

    Args:
        record: of any format.
        classes: names of the classes, the background first.
    """

    record: Record
    classes: Sequence[str]

    def __str__(self) -> str:
        return str(self.record.image)

    def read(self) -> NDArray[np.uint8]:
        height, width = self.record.sides
        found = np.zeros((height, width), np.uint8)
        if self.record.semantic is not None:
            for index, name in enumerate(self.classes[1:], start=1):
                region = self.record.semantic.pixels(name)
                if region.shape != found.shape:
                    raise InputError(_other_size(self, region.shape, str(self.record.image), found.shape))
                found[region] = index
            return found
        shapes = [(one, one.mask.pixels(height, width)) for one in self.record.instances if one.mask is not None]
        for one, pixels in sorted(shapes, key=lambda pair: (not pair[0].ignored, -int(pair[1].sum()))):
            if pixels.shape != found.shape:
                raise InputError(_other_size(self, pixels.shape, str(self.record.image), found.shape))
            known = not one.ignored and one.category in self.classes
            found[pixels] = self.classes.index(str(one.category)) if known else IGNORED
        return found


def check_size(mask: Drawn, found: Sequence[int], image: Any, size: Sequence[int]) -> None:
    """Raise `InputError` if a mask has another height and width than its image."""
    if tuple(found) != tuple(size):
        raise InputError(_other_size(mask, found, str(image), size))


def _other_size(mask: Drawn, found: Sequence[int], image: str, size: Sequence[int]) -> str:
    return (
        f"{mask}: is a mask of {found[0]}x{found[1]} for {image} of {size[0]}x{size[1]} (height x width), expected the "
        "same size. Are they of one picture? Scale the mask to the size of its image, without smoothing"
    )


def fitted_index(index: NDArray[np.uint8], size: Sides, resize: Resize) -> NDArray[np.uint8]:
    """Class indices of one image brought to one size with it. Padding is `IGNORED`.

    A pixel of a smaller mask has the class that covers most of it, as a pixel of the smaller image is a mean; of two
    that cover as much, the later one. The nearest pixel alone would move outlines: at half the size, by a quarter of a
    pixel, which is 2 points of IoU of small nuclei. A pixel of a larger mask has the class of the nearest one.

    Args:
        index: (H, W).
        size: height and width of the result.
        resize: how, see `fitting.place`.
    """
    if index.shape == tuple(size):
        return index
    whole, corner = place(index.shape, size, resize)
    if whole[0] <= index.shape[0] and whole[1] <= index.shape[1]:
        index = shrunk(index, whole)
    found = np.full(size, IGNORED, np.uint8)
    (rows, from_rows), (columns, from_columns) = (
        _nearest(given, scaled, start, length)
        for given, scaled, start, length in zip(index.shape, whole, corner, size, strict=True)
    )
    found[rows, columns] = index[from_rows][:, from_columns]
    return found


def shrunk(index: NDArray[np.uint8], size: Sides) -> NDArray[np.uint8]:
    """A smaller mask: the class that covers most of each pixel."""
    from PIL import Image

    if index.shape == tuple(size):
        return index
    best, found = np.full(size, -1, np.int16), np.zeros(size, np.uint8)
    for label in np.unique(index).tolist():
        covered = Image.fromarray((index == label).astype(np.uint8) * 255).resize(
            (size[1], size[0]), Image.Resampling.BOX
        )
        share = np.asarray(covered).astype(np.int16)
        found[share >= best] = label
        best = np.maximum(best, share)
    return found


def _nearest(given: int, scaled: int, start: int, length: int) -> tuple[slice, NDArray[np.int64]]:
    """Which pixels of a side of `length` show the image, and the nearest original pixel of each."""
    first, last = max(0, start), min(length, start + scaled)
    at = (np.arange(first, last) - start + 0.5) * (given / scaled)
    return slice(first, last), at.astype(np.int64).clip(0, given - 1)
