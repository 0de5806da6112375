"""Reading images with their masks: folders in three layouts, `.npz`, and the formats of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ..domains import Inputs, Labelled
from ..formats import Format
from ..formats.record import Record
from ..labels import IGNORED, IndexMaps, Masks
from ..reading.arrays import array_inputs
from ..reading.class_names import natural_key
from ..reading.images import Decoded, decode
from ..reading.loading import numbered, prefixed
from ..reading.memory import limit
from ..reading.npz import Arrays, arrays_of
from ..reading.pixels import Conversion
from ..reading.progress import note
from ..tiles.wholes import HeldWholes
from .arrays import fitted_all, masks_of_arrays
from .files import MaskFiles, inspected
from .layouts import IMAGES, LAYOUTS, MASKS, masked_files
from .legend import FILE, Legend, counted, named, read_legend
from .pixels import Drawn, DrawnRecord, MaskFile
from .regions import BACKGROUND, only

SHOWN = 8  # classes in a line


def load_masks(
    path: Path, kind: Format | None, regions: Sequence[str], names: Sequence[str], how: Conversion
) -> Labelled:
    """Images with the class of each pixel, see `load`.

    Args:
        path: a folder or an `.npz`.
        kind: format of another program, whose instances are drawn if there are no mask files.
        regions: classes that are kept, see `regions.only`; none for all.
        names: of the classes, for masks without a legend, see `legend.counted`.
        how: the images are converted.

    Raises:
        InputError: there are no masks; an image has none, or of another size; a mask is unreadable, or holds what its
            legend does not have.
    """
    if path.suffix.lower() == ".npz":
        return _of_npz(path, regions, names, how)
    found = masked_files(path) if path.is_dir() else None
    if found is not None:
        read = decode(found.images, _with_room(how))
        legend = read_legend(found.folders)
        masks: list[Drawn] = [MaskFile(found.masks[i], legend) for i in read.kept]
        kept = [found.images[i] for i in read.kept]
        return _labelled(path, read, kept, masks, legend, (regions, names), found.layout)
    if kind is None or kind.prefix:
        raise _without(path)
    return _of_records(path, kind, regions, how)


def _without(path: Path) -> InputError:
    """The error for a path without any mask."""
    beside = [one for one in path.parent.iterdir() if one.is_dir() and one.name.lower() in MASKS]
    if path.name.lower() in IMAGES and beside:
        return InputError(f"{path}: found no masks, but {beside[0]} beside it. Give the folder of both, {path.parent}")
    return InputError(f"{path}: found no masks, expected {LAYOUTS}")


def _with_room(how: Conversion) -> Conversion:
    """The conversion with room for masks beside the images: each takes as much as one channel."""
    channels = how.channels or 1
    budget = limit() if how.memory is None else how.memory
    return replace(how, memory=budget * channels // (channels + 1))


def _labelled(
    path: Path,
    read: Decoded,
    images: Sequence[Any],
    masks: Sequence[Drawn],
    legend: Legend | None,
    asked: tuple[Sequence[str], Sequence[str]],
    layout: str,
) -> Labelled:
    """Images and masks as a domain. The masks are in memory if the images are.

    Args:
        asked: the regions that are kept, and the names of classes without a legend.
    """
    size = (int(read.images.shape[2]), int(read.images.shape[3]))
    sizes = torch.tensor(size).expand(len(images), 2) if read.sizes is None else read.sizes
    values = inspected(masks, images, sizes)
    classes, table = settled(str(path), values, legend, *asked)
    files = MaskFiles(masks, size, read.resize, table)
    index: IndexMaps = files
    if isinstance(read.images, Tensor):
        index = files[torch.arange(len(files))]
    elif isinstance(read.images, HeldWholes):
        index = HeldWholes(files.wholes(range(len(files))), size)
    note(f"{path}: {len(images):,} images with masks ({layout}), {described(classes)}")
    names = tuple(one.relative_to(path).as_posix() if isinstance(one, Path) else str(one) for one in images)
    return Labelled(read.images, Masks(index), classes, names=names, **read.facts)


def settled(
    what: str, values: Tensor, legend: Legend | None, regions: Sequence[str], names: Sequence[str]
) -> tuple[tuple[str, ...], Tensor]:
    """The classes of masks, and the index of each value that their files hold, (256,) uint8.

    Args:
        what: begins the message of an error.
        values: how many pixels have each value, (256,). With a legend the values are indices of its classes.
        legend: of the files; None to count.
        regions, names: as in `load_masks`.
    """
    table = torch.arange(256, dtype=torch.uint8)
    if legend is None:
        if len(regions) == 1 and not names:
            names = _black_and_white(values, regions[0])
        legend = counted(values.nonzero()[:, 0].tolist(), names, what)
        table = torch.full((256,), IGNORED, dtype=torch.uint8)
        for one, index in legend.ids.items():
            table[one] = index
        note(f"{what}: found no {FILE}: {_taken(legend)}")
    classes, kept = only(legend.classes, regions, what)
    return classes, kept[table.long()]


def _black_and_white(values: Tensor, region: str) -> tuple[str, ...]:
    """The names of the classes if the masks are black and white: then white is the region that is asked for."""
    present = set(values.nonzero()[:, 0].tolist())
    return (BACKGROUND, region) if present in ({0, 255}, {0, 1}) else ()


def _taken(legend: Legend) -> str:
    ids = {index: one for one, index in legend.ids.items()}
    shown = [(ids[i], name) for i, name in enumerate(legend.classes[:SHOWN])]
    more = f" and {len(legend.classes) - SHOWN} more" if len(legend.classes) > SHOWN else ""
    ignored = "" if IGNORED in legend.ids else f"; {IGNORED} counts nowhere"
    if all(str(one) == name for one, name in shown):
        return f"the classes are called by their ids {', '.join(name for _, name in shown)}{more}{ignored}"
    return f"in the masks {', '.join(f'{one} is {name}' for one, name in shown)}{more}{ignored}"


def described(classes: Sequence[str]) -> str:
    """`classes background and nucleus`."""
    more = f" and {len(classes) - SHOWN} more" if len(classes) > SHOWN else ""
    return f"classes {', '.join(classes[:SHOWN])}{more}"


def _of_records(path: Path, kind: Format, regions: Sequence[str], how: Conversion) -> Labelled:
    """Images of another program's format; their masks are drawn from polygons, run lengths or regions."""
    from ..formats.domains import records_of

    records = records_of(kind, path)
    _check_drawn(path, kind, records)
    of_regions = {name for one in records if one.semantic is not None for name in one.semantic.classes.values()}
    of_objects = {i.category for one in records for i in one.instances if i.category is not None}
    names = sorted(of_regions or of_objects, key=natural_key)
    classes = (BACKGROUND, *(name for name in names if name != BACKGROUND))
    read = decode([one.image for one in records], _with_room(how))
    kept = [records[i] for i in read.kept]
    legend = named(classes, str(path))
    masks: list[Drawn] = [DrawnRecord(one, classes) for one in kept]
    made = _labelled(path, read, [one.image for one in kept], masks, legend, (regions, ()), kind.about)
    return replace(made, names=tuple(one.name for one in kept))


def _check_drawn(path: Path, kind: Format, records: Sequence[Record]) -> None:
    """Raise `InputError` where objects have boxes but no masks, or nothing is drawn at all."""
    bare = [one for one in records if one.semantic is None and any(i.mask is None for i in one.instances)]
    if bare:
        raise InputError(
            f"{path}: in {len(bare):,} of {len(records):,} images of {kind.about} an object has no mask, the first is "
            f"{bare[0].name}, expected polygons, run lengths or regions of every object. Label them, or expect "
            f"{LAYOUTS}"
        )
    if not any(one.instances or one.semantic is not None for one in records):
        raise InputError(f"{path}: {kind.about} holds no object in {len(records):,} images. Expected {LAYOUTS}")


def _of_npz(path: Path, regions: Sequence[str], names: Sequence[str], how: Conversion) -> Labelled:
    with prefixed(path), arrays_of(path) as arrays:
        inputs, facts = array_inputs(path, arrays, how)
        index, classes = _index_of(path, arrays, inputs, regions, names, how)
        note(f"{path}: {len(inputs):,} images with masks, {described(classes)}")
        return Labelled(inputs, Masks(index), classes, names=numbered(inputs), **facts)


def _index_of(
    path: Path, arrays: Arrays, inputs: Inputs, regions: Sequence[str], names: Sequence[str], how: Conversion
) -> tuple[IndexMaps, tuple[str, ...]]:
    if "masks" not in arrays or "images" not in arrays:
        found = ", ".join(f"'{name}'" for name in arrays)
        raise InputError(f"{path}: found the arrays {found}, expected 'images' and 'masks' (N, H, W)")
    sides = arrays["images"].shape[1:3]
    legend = read_legend([path.parent])
    if "classes" in arrays:
        names = tuple(map(str, np.atleast_1d(arrays["classes"]).tolist()))
        legend = named(names, f"the array 'classes' of {path}")
    masks = masks_of_arrays(arrays["masks"], legend, "'masks'")
    if masks.shape != (len(inputs), *sides):
        raise InputError(f"{path}: 'masks' of shape {masks.shape}, expected {(len(inputs), *sides)}, as the images")
    values = torch.from_numpy(np.bincount(masks.ravel(), minlength=256))
    classes, table = settled(str(path), values, legend, regions, names)
    return fitted_all(masks, table, (int(inputs.shape[2]), int(inputs.shape[3])), how.resize), classes
