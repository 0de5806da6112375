"""Sets of images as tensors: decoding in threads, in memory or from disk, resizing and channels."""

import functools
import os
import warnings
from abc import abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError, LeftOutWarning
from ..batch_sampler import Runs
from ..domains import Inputs
from ..fitting import TILES, Resize, fitted
from ..tiles.wholes import HeldWholes
from .memory import limit
from .pixels import DEPTHS, Conversion, Held, Read, read_image, try_read
from .progress import counted
from .unpacked import Unpacking

LEAST_SIDE = 4  # pixels; smaller images hold nothing that a network could learn
SUBSET = 2**28  # bytes; a smaller part of images on disk is decoded
AHEAD = 64  # images that threads decode before they are taken
WHOLE_AHEAD = 8  # of large images, which are not shrunk
SMALL = 2**14  # values: of smaller images one thread decodes more than several, which wait for each other
NAMED = 20  # unreadable images that a warning names


@dataclass(frozen=True)
class Decoded:
    """Images (N, C, H, W) uint8, in memory or on disk; original sizes (N, 2); indices of the files kept; their depth.

    With `resize="tiles"` they are whole, see `tiles.wholes.Wholes`. Images in memory are channels last. The depth
    is None if no image has more than 8 bits per pixel.
    """

    images: Inputs
    sizes: Tensor | None
    kept: Sequence[int]
    depth: int | None
    resize: Resize

    @property
    def facts(self) -> dict[str, Any]:
        """What a domain of the images keeps: fields of `Unlabelled` and `Labelled`."""
        return {"sizes": self.sizes, "depth": self.depth, "resize": self.resize}


class Stored(Sequence[Path | Held]):
    """Images on disk that become objects only while they are read, so that a million of them take little memory."""

    @property
    @abstractmethod
    def root(self) -> Path:
        """The folder or file that all are in, for messages."""

    @abstractmethod
    def subset(self, index: NDArray[np.int64]) -> Self:
        """The images at `index` (B,) int64."""

    def runs(self) -> Runs | None:
        """How the images are read one after another; None if each can be read as fast as any other."""
        return None


class ImageFiles:
    """Images that stay on disk. Threads decode one batch at a time.

    `files[index]` returns (B, C, H, W) uint8.

    Args:
        files: of the images.
        how: with size and channels; with the depth if an image has more than 8 bits.
    """

    decodes = True  # on access, so that training reads ahead

    def __init__(self, files: Sequence[Path | Held], how: Conversion) -> None:
        assert how.size is not None
        assert how.channels is not None
        self.files, self.how = files if isinstance(files, Stored) else list(files), how
        self.shape = torch.Size((len(self.files), how.channels, *how.size))

    def __len__(self) -> int:
        return len(self.files)

    @functools.cached_property
    def runs(self) -> Runs | None:
        """How the images are read one after another, see `sampler_of`; None if they may be read in any order."""
        return self.files.runs() if isinstance(self.files, Stored) else None

    def __getitem__(self, index: Tensor, /) -> Tensor:
        images = _empty((len(index), *self.shape[1:]))
        pixels = images.numpy()

        def put(place: int, which: int) -> None:
            pixels[place] = self._read(self.files[which])

        run = map if self.shape[1:].numel() < SMALL else decoding_threads(os.getpid()).map
        list(run(put, range(len(index)), index.tolist()))
        return images

    def wholes(self, index: Sequence[int]) -> list[NDArray[np.uint8]]:
        """The images at `index` in their own sizes, if they are to be cut into tiles."""
        return list(decoding_threads(os.getpid()).map(lambda which: self._read(self.files[which]), index))

    def _read(self, file: Path | Held) -> NDArray[np.uint8]:
        """The pixels of an image that could be read before."""
        try:
            return read_image(file, self.how).eight_bits(self.how.depth)
        except Exception as error:  # decoders raise errors of any kind for damaged files
            why = str(error) or type(error).__name__
            raise InputError(
                f"{file}: cannot be read any more ({why}), expected the image as it was. Restore it and try again"
            ) from None

    def subset(self, index: Tensor) -> Inputs:
        """The images at `index` (B,) int64. A small part is decoded, others stay on disk."""
        if len(index) * self.shape[1:].numel() <= SUBSET:
            return self[index]
        return ImageFiles(picked(self.files, index.numpy()), self.how)


def picked(files: Sequence[Path | Held], index: NDArray[np.int64]) -> Sequence[Path | Held]:
    """The files at `index` (B,) int64."""
    return files.subset(index) if isinstance(files, Stored) else [files[i] for i in index.tolist()]


@dataclass
class _Collected:
    """Decoded images, as they come.

    Images of 8 bits are written into one tensor for the whole set. Levels of deeper images wait until the highest one
    is known. If the set exceeds `budget` bytes, no image is kept: all are decoded again from disk.
    """

    files: Sequence[Path | Held]
    budget: int
    first: int = -1
    shape: tuple[int, ...] = ()
    kept: "array[int]" = field(default_factory=lambda: array("q"))
    sides: "array[int]" = field(default_factory=lambda: array("i"))  # original height and width of each in turn
    most: float = -1.0  # highest level of images of more than 8 bits
    coarse: Path | Held | None = None  # an image of 16 bits per channel that was read with 8
    images: Tensor | None = None
    unpacking: Unpacking | None = None  # on disk, of images in shards, which are slow to decode again
    levels: dict[int, Read] = field(default_factory=dict)

    def add(self, index: int, read: Read) -> None:
        """Take the image of `files[index]`. Raise `InputError` if its shape differs from that of the first one."""
        if not self.kept:
            self.first, self.shape = index, read.pixels.shape
            if len(self.files) * read.pixels.size <= self.budget:
                self.images = _empty((len(self.files), *read.pixels.shape))
            elif isinstance(self.files, Stored):
                self.unpacking = Unpacking.of(len(self.files), read.pixels.shape)
        if read.pixels.shape != self.shape:
            raise _differ(self.files[self.first], self.shape, self.files[index], read.pixels.shape)
        if self.images is not None and read.pixels.dtype == np.uint8:
            self.images[len(self.kept)].numpy()[:] = read.pixels
        elif self.unpacking is not None:
            self.unpacking.add(read.pixels)
        elif self.images is not None:
            self.levels[len(self.kept)] = read
            self.budget -= read.pixels.nbytes
            if self.budget < 0:
                self.images, self.levels = None, {}
        self.note(index, read)

    def note(self, index: int, read: Read) -> None:
        """Keep what is known of an image beside its pixels."""
        if read.most is not None:
            self.most = max(self.most, read.most)
            self.coarse = self.files[index] if read.pixels.dtype == np.uint8 else self.coarse
        self.kept.append(index)
        self.sides.extend(read.given)

    @property
    def sizes(self) -> NDArray[np.int32]:
        """(N, 2), original height and width of each image."""
        return np.frombuffer(self.sides, np.int32).reshape(-1, 2)

    def settled(self, how: Conversion, depth: int | None) -> Inputs:
        """All images, in memory or on disk."""
        if self.images is None:
            packed = self.on_disk(how, depth)
            return packed if self.unpacking is None else self.unpacking.settled(len(self.kept), packed)
        for place, read in self.levels.items():
            self.images[place].numpy()[:] = read.eight_bits(depth)
        return self.images[: len(self.kept)]

    def on_disk(self, how: Conversion, depth: int | None) -> "ImageFiles":
        """All images, which stay on disk."""
        height, width = self.shape[1:]
        whole = replace(how, size=(height, width), channels=1 if self.shape[0] == 1 else 3, depth=depth)
        every = len(self.kept) == len(self.files)
        return ImageFiles(self.files if every else picked(self.files, np.array(self.kept)), whole)


@dataclass
class _CollectedWhole(_Collected):
    """Decoded images of different sizes, to be cut into tiles of `size`. If they exceed `budget`, none is kept."""

    size: tuple[int, int] = (0, 0)
    held: list[Read] | None = field(default_factory=list)

    def add(self, index: int, read: Read) -> None:
        """Take the image of `files[index]`. Raise `InputError` if its channels differ from those of the first one."""
        if not self.kept:
            self.first, self.shape = index, (len(read.pixels), *self.size)
        if len(read.pixels) != self.shape[0]:
            raise _differ(self.files[self.first], self.shape, self.files[index], read.pixels.shape)
        self.budget -= read.pixels.nbytes
        if self.held is not None and self.budget >= 0:
            self.held.append(read)
        else:
            self.held = None
        self.note(index, read)

    def settled(self, how: Conversion, depth: int | None) -> Inputs:
        """All images, in memory or on disk, before they are cut."""
        if self.held is None:
            return self.on_disk(how, depth)
        return HeldWholes([read.eight_bits(depth) for read in self.held], self.size)


@functools.cache
def decoding_threads(process: int) -> ThreadPoolExecutor:
    """The threads that decode, one pool for each process: a forked one does not have those of its parent."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")


def _empty(shape: tuple[int, ...]) -> Tensor:
    """Channels last, as training takes batches, so that images are not copied once more. Grey images have one order."""
    form = torch.channels_last if shape[1] > 1 else torch.contiguous_format
    return torch.empty(shape, dtype=torch.uint8, memory_format=form)


def decode(files: Sequence[Path | Held], how: Conversion) -> Decoded:
    """Decode images. All decoded images have the same size (unless they are for tiles) and channels, and one depth.

    Args:
        files: at least one file.
        how: the conversion. An area filter is used for shrinking.

    Raises:
        InputError: a file is unreadable or truncated, no file is readable, two images differ in size or channels, or a
            pixel exceeds the depth.
    """
    bad: list[str] = []
    unread = 0
    budget = limit() if how.memory is None else how.memory
    found = _Collected(files, budget)
    if how.resize == TILES and how.size is not None:
        found = _CollectedWhole(files, budget, size=how.size)
    root = files.root if isinstance(files, Stored) else _root(files)
    for i, result in enumerate(counted(_decoded(files, how), root, len(files))):
        if isinstance(result, Read):
            found.add(i, result)
        elif how.skip_bad:
            unread += 1
            bad += [str(files[i])] if len(bad) < NAMED else []
        else:
            raise InputError(
                f"{files[i]}: unreadable image ({result}). Repair or remove it, or pass --skip-bad (skip_bad=True)"
            )
    if unread:
        text = f"skipped {unread} unreadable images: {', '.join(bad)}{' and others' if unread > NAMED else ''}"
        warnings.warn(LeftOutWarning(text, {"unreadable": unread}), stacklevel=2)
    if not found.kept:
        raise InputError(f"{root}: none of {len(files)} images can be read, expected at least one")
    _check_sides(found)
    depth = None if found.most < 0 else how.depth or _depth_of(found.most, root)
    if found.coarse is not None and depth != DEPTHS[-1]:
        raise InputError(
            f"{found.coarse}: has 16 bits per channel, of which only the upper 8 are read, and all pixels are below "
            f"{found.most / 65535:.0%} of white. Expected the full range. Scale the images, or save them with 8 bits"
        )
    sizes = None if how.size is None else torch.from_numpy(found.sizes.astype(np.int64))
    return Decoded(found.settled(how, depth), sizes, found.kept, depth, how.resize)


def _decoded(files: Sequence[Path | Held], how: Conversion) -> Iterator[Read | str]:
    """The images in order, decoded by threads a little ahead: a set that stays on disk never lies in memory."""
    run: Callable[..., Iterable[Read | str]] = decoding_threads(os.getpid()).map
    ahead = WHOLE_AHEAD if how.resize == TILES else AHEAD
    for start in range(0, len(files), ahead):
        read = list(run(lambda file: try_read(file, how), files[start : start + ahead]))
        yield from read
        run = decoding_threads(os.getpid()).map if any(map(_large, read)) else map


def _large(read: Read | str) -> bool:
    return isinstance(read, Read) and max(read.pixels.size, read.given[0] * read.given[1]) >= SMALL


def _root(files: Sequence[Path | Held]) -> Path:
    """The folder that all files are in, in a message."""
    folders = [file.parent for file in files if isinstance(file, Path)]
    return Path(os.path.commonpath(folders) if folders else "the images")


def _depth_of(most: float, folder: Path) -> int:
    """The least of `DEPTHS` that holds the highest pixel. A guess of fewer than 16 bits is said."""
    depth = next(bits for bits in DEPTHS if most < 2**bits)
    if depth < DEPTHS[-1]:
        warnings.warn(
            f"{folder}: the images of more than 8 bits are read as {depth} bits, because their highest pixel is "
            f"{most:.0f}. If that is wrong, set --depth (depth= in Python)",
            stacklevel=5,
        )
    return depth


def _check_sides(found: _Collected) -> None:
    """Refuse images of a few pixels, and warn about those that were enlarged."""
    tiny = (found.sizes.min(1) < LEAST_SIDE).nonzero()[0]
    if not len(tiny):
        return
    file, (height, width) = found.files[found.kept[int(tiny[0])]], found.sizes[tiny[0]].tolist()
    if min(found.shape[1:]) < LEAST_SIDE:
        raise InputError(
            f"{file}: has {height}x{width} pixels, expected at least {LEAST_SIDE}x{LEAST_SIDE}. Remove it, or enlarge "
            "all images with --size"
        )
    warnings.warn(
        f"{len(tiny)} images have fewer than {LEAST_SIDE} pixels on a side, for example {file} ({height}x{width}). Are "
        "they images of the task?",
        stacklevel=3,
    )


def _differ(a: Path | Held, shape_a: tuple[int, ...], b: Path | Held, shape_b: tuple[int, ...]) -> InputError:
    if shape_a[0] != shape_b[0]:
        return InputError(
            f"images differ in channels: {a} has {shape_a[0]}, {b} has {shape_b[0]}. "
            "Convert them on load with --channels 1 or --channels 3 (channels= in Python)"
        )
    return InputError(
        f"images differ in size: {a} is {shape_a[1]}x{shape_a[2]}, {b} is {shape_b[1]}x{shape_b[2]} (height x width). "
        f"Resize them on load, for example with --size {shape_a[1]}x{shape_a[2]} (size= in Python)"
    )


def resize(
    images: Tensor, size: tuple[int, int] | None, channels: Literal[1, 3] | None, how: Resize = "stretch"
) -> Tensor:
    """(N, C, H, W) images brought to a size by `fitting.fitted`, with other channels. The dtype does not change."""
    if channels is not None and channels != images.shape[1]:
        images = images.expand(-1, 3, -1, -1).contiguous() if channels == 3 else _grey(images)
    return images if size is None else fitted(images, size, how)


def _grey(images: Tensor) -> Tensor:
    """Luma of ITU-R 601, with the same weights as Pillow."""
    grey = (images.float() * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return grey.round().to(images.dtype) if images.dtype == torch.uint8 else grey
