"""Data sets of torch: samples (image, label) or images, as tensors, arrays, images of Pillow or paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, TensorDataset

from ...errors import InputError
from ..domains import Inputs, called
from ..fitting import TILES
from ..reading.images import SUBSET, decode
from ..reading.memory import limit
from ..reading.pixels import Conversion, Held, Read
from .arrays import as_array, as_images, check_pixels, is_channels_last, read_array
from .base import ONE_AT_A_TIME, Ask, Found
from .pictures import is_picture, read_value


def read_dataset(dataset: Any, ask: Ask) -> Found:
    """The inputs and labels of a data set with `len(dataset)` and `dataset[i]`, each of which is read once.

    Images that do not fit into the memory are read again in each batch.

    Raises:
        InputError: it has no length, is empty, its samples are neither inputs nor pairs, or inputs are wrong.
    """
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise InputError(
            f"{type(dataset).__name__} has no length, expected a data set with len(dataset) and dataset[i]. "
            "Collect its samples: X, y = zip(*dataset)"
        )
    if len(dataset) == 0:
        raise InputError(f"{type(dataset).__name__} is empty, expected at least one sample")
    names = class_names(dataset)
    if isinstance(dataset, TensorDataset):
        return _of_tensors(dataset, ask)
    samples = Samples(dataset, ask.labelled and ask.label is None)
    found = _pictures(samples, ask) if is_picture(samples.input(0)) else _arrays(samples, ask)
    if not samples.paired:
        return replace(found, label=ask.label)
    label = samples.all_labels()
    return replace(found, label=label, classes=names if _indices(label, len(names)) else ())


def class_names(dataset: Any) -> tuple[str, ...]:
    """Names of the classes (`classes`, as data sets of torchvision have them), also of the whole of a subset."""
    while dataset is not None:
        names = getattr(dataset, "classes", None)
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
        dataset = getattr(dataset, "dataset", None)
    return ()


def _indices(labels: Sequence[Any], count: int) -> bool:
    """Whether labels are indices of so many classes."""
    numbers = [one.item() if isinstance(one, Tensor) and one.ndim == 0 else one for one in labels]
    return all(isinstance(one, Integral) and 0 <= int(one) < count for one in numbers)


def _of_tensors(dataset: TensorDataset, ask: Ask) -> Found:
    tensors = dataset.tensors
    if ask.labelled and ask.label is None and len(tensors) != 2:
        raise InputError(f"TensorDataset has {len(tensors)} tensors, expected images and labels. Give y=")
    found = read_array(tensors[0], ask, "the first tensor")
    label = ask.label if ask.label is not None or not ask.labelled else tensors[1]
    return replace(found, label=label)


class Samples:
    """The samples of a data set, one at a time, because code of users is rarely made for threads.

    Args:
        dataset: the data set.
        paired: whether samples are pairs whose label is wanted. The label of each is kept when it is first read.
    """

    def __init__(self, dataset: Any, paired: bool) -> None:
        self.dataset, self.paired = dataset, paired
        self.labels: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.dataset)

    def input(self, index: int) -> Any:
        """The input of a sample, without its label."""
        with ONE_AT_A_TIME:
            sample = self.dataset[index]
        if isinstance(sample, tuple | list) and len(sample) == 2:
            if self.paired and index not in self.labels:
                self.labels[index] = sample[1]
            return sample[0]
        if self.paired or isinstance(sample, tuple | list | dict):
            found = called(sample) if not isinstance(sample, dict) else f"a dict of {len(sample)}"
            raise InputError(
                f"sample {index} of {type(self.dataset).__name__} is {found}, expected "
                + (
                    "a pair (image, label), or an image with the labels beside it: Labelled.of(dataset, y)"
                    if self.paired
                    else "an image, or a pair (image, label)"
                )
            )
        return sample

    def all_labels(self) -> list[Any]:
        """The label of each sample, after all were read."""
        return [self.labels[i] for i in range(len(self))]


class _Sample(Held):
    """One image of a data set, of Pillow or a path."""

    def __init__(self, samples: Samples, index: int) -> None:
        super().__init__(f"sample {index}")
        self.samples, self.index = samples, index

    def read(self, how: Conversion) -> Read:
        return read_value(self.samples.input(self.index), how)


def _pictures(samples: Samples, ask: Ask) -> Found:
    read = decode([_Sample(samples, i) for i in range(len(samples))], ask.how)
    return Found(read.images, kept=read.kept, count=len(samples), **read.facts)


def _arrays(samples: Samples, ask: Ask) -> Found:
    """Samples that are arrays of one shape and type: all in memory, or on access if they are too many."""
    first = as_array(samples.input(0), "sample 0")
    if first.ndim not in (1, 2, 3) or first.size == 0 or first.dtype.kind not in "biuf":
        raise InputError(
            f"sample 0 is {first.dtype} {first.shape}, expected an image (C, H, W) or (H, W), or features (F,)"
        )
    most = limit() if ask.how.memory is None else ask.how.memory
    whole = np.empty((len(samples), *first.shape), first.dtype) if len(samples) * first.nbytes <= most else None
    low, high = float("inf"), float("-inf")
    for i in range(len(samples)):
        x = _alike(samples.input(i), first, i)
        if not np.isfinite(x).all():
            raise InputError(f"sample {i} has NaN or infinite numbers, expected finite ones. Leave it out")
        low, high = min(low, float(x.min())), max(high, float(x.max()))
        if whole is not None:
            whole[i] = x
    if whole is not None:
        return read_array(whole, ask, "the data set")
    if first.ndim == 1:
        raise InputError("the data set has features that do not fit into the memory, expected fewer. Give a part of it")
    if ask.how.resize == TILES:
        raise InputError(
            "the data set has arrays that do not fit into the memory, expected fewer to cut them into tiles. Let it "
            "give images of Pillow or paths, which are read one by one, or give more memory="
        )
    last = is_channels_last(first.shape, ask.channels_last, "the data set")
    check_pixels(first.dtype, low, high, ask.how.depth, "the data set")
    inputs = ArraysOnAccess(samples, range(len(samples)), last, ask.how)
    height, width = first.shape if last is None else first.shape[:2] if last else first.shape[1:]
    sizes = None if ask.how.size is None else torch.tensor([[height, width]]).repeat(len(samples), 1)
    return Found(inputs, sizes, resize=ask.how.resize)


def _alike(x: Any, first: np.ndarray[Any, Any], index: int) -> np.ndarray[Any, Any]:
    found = as_array(x, f"sample {index}")
    if found.shape != first.shape or found.dtype != first.dtype:
        raise InputError(
            f"sample {index} is {found.dtype} {found.shape}, sample 0 is {first.dtype} {first.shape}: expected one "
            "shape and type. Resize the images in the data set, or let it give images of Pillow and give a size"
        )
    return found


class ArraysOnAccess:
    """Images of a data set, which gives arrays, read batch by batch.

    Args:
        samples: the samples.
        index: those of them that are taken.
        last: whether their channels are last; None for (H, W).
        how: the conversion.
    """

    def __init__(self, samples: Samples, index: Sequence[int], last: bool | None, how: Conversion) -> None:
        self.samples, self.index, self.last, self.how = samples, index, last, how
        self.shape = torch.Size((len(index), *self._read(index[:1]).shape[1:]))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        return self._read([self.index[i] for i in index.tolist()])

    def _read(self, index: Sequence[int]) -> Tensor:
        return as_images(np.stack([as_array(self.samples.input(i), f"sample {i}") for i in index]), self.last, self.how)

    def subset(self, index: Tensor) -> Inputs:
        """The images at `index` (B,) int64. A small part is read, others stay where they are."""
        if len(index) * self.shape[1:].numel() <= SUBSET:
            return self[index]
        return ArraysOnAccess(self.samples, [self.index[i] for i in index.tolist()], self.last, self.how)
