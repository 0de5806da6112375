"""Reading domains from disk: folders of images, metadata tables, `.npz` and svmlight files.

    load("synthetic/")                            # class subfolders, or a metadata table with the column `label`
    load("synthetic/", label="digit")             # one column of class names
    load("synthetic/", label=["iris_x", "iris_y"])  # columns of numbers
    load_unlabelled("photos/")                    # every image in the folder and its subfolders; labels are never read
    load("books.svmlight")                        # sparse features; the first column is the class
    load("hf:NAME", split="train")                # a data set of Hugging Face, or a folder: "hf:FOLDER"

Metadata tables have the format of Hugging Face `datasets`: `metadata.csv` or `metadata.jsonl` with a column
`file_name`. This path is relative to the table.
"""

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError, LeftOutWarning
from ..domains import MOST, Inputs, Labelled, Unlabelled
from ..fitting import USUAL, Resize
from ..given import check_given_names
from ..sparse import SVMLIGHT, Layout, from_compressed, is_compressed, read_svmlight
from .class_names import as_classes, indexed, is_name, natural_key
from .discovery import (
    as_spelled,
    check_classes,
    files_below,
    images_below,
    is_image,
    other_kinds,
    say_left_out,
    without_masks,
)
from .discovery import metadata_tables as metadata_tables
from .images import Decoded, decode, resize
from .npz import Arrays, arrays_of
from .pixels import Conversion
from .places import HUB as HUB
from .places import existing, is_packed
from .places import is_hub as is_hub
from .read_given import with_given
from .tables import TABLES, is_file, listed, number, rows_of

Channels = Literal[1, 3]
Size = tuple[int, int]
AS_CLASSES = ("label", "class")  # default columns of class labels


def load_unlabelled(
    path: str | Path,
    *,
    size: Size | None = None,
    channels: Channels | None = None,
    skip_bad: bool = False,
    depth: int | None = None,
    background: str = "white",
    memory: int | None = None,
    layout: Layout | None = None,
    masks: bool = True,
    given: Sequence[str] = (),
    resize: Resize = USUAL,
    split: str | None = None,
    format: str | None = None,
) -> Unlabelled:
    """Load unlabelled images or features from a folder or a file.

    From a folder, all images in it and in its subfolders are loaded. Subfolders are not classes. A file is an image, an
    `.npz` with `images` or `features`, a sparse `.npz` of `scipy.sparse.save_npz`, or an svmlight file.

    Args:
        path: the folder or file. Labels beside the images are never read; of a metadata table, only the columns
            `file_name` and `given`, and without `given` nothing.
        size: (height, width) to resize every image to. Required if the images differ in size.
        channels: 1 for grey, 3 for RGB. Required if the images differ in channels.
        skip_bad: skip unreadable images, with a warning that lists them.
        depth: bits per pixel of images of more than 8 bits, 8 to 16. By default the least of 8, 10, 12, 14 and 16 that
            holds the highest pixel of all images.
        background: colour behind transparent pixels, such as `white` or `#808080`.
        memory: most bytes of decoded images that are kept in memory; a larger set stays on disk. By default half of the
            free memory, and for shards at most 0.5 GB.
        layout: layout of svmlight files, if several files share one. By default the file alone determines it.
        masks: also load `NAME_mask.png` beside `NAME.png`. In a folder of labelled images these are segmentation masks.
        given: columns of numbers that are known of every image and are no labels: columns of a metadata table, or
            arrays (N,) of an `.npz`.
        resize: how images are brought to `size`: `stretch`, `crop` or `letterbox`, see `Conversion`.
        split: of a data set of Hugging Face, see `objects.huggingface.open_hub`.
        format: of another program's folder, such as `coco`; None to find it, `images` for plain images.

    Raises:
        InputError: the path does not exist, there is no image, an image is unreadable, images differ in size or
            channels, or an image has no finite value of a given column.
    """
    conversion = Conversion(size, channels, skip_bad, depth, background, memory, resize)
    given = check_given_names(given)
    found = _elsewhere(path, split, format, conversion, given)
    if isinstance(found, Unlabelled):
        return found
    return with_given(_unlabelled(found, conversion, layout, masks), found, given)


def _elsewhere(
    path: str | Path, split: str | None, format: str | None, how: Conversion, given: tuple[str, ...]
) -> Unlabelled | Path:
    """The images of Hugging Face, shards or another program; or the path of a folder or file of this library."""
    if is_packed(path, split, format):
        from ..shards import load_shards_unlabelled

        return load_shards_unlabelled(path, how, given)
    found, kind = (path, None) if is_hub(path) else existing(path, split, format)
    if is_hub(path) or (kind is not None and kind.prefix):
        from ..objects import load_hub

        return load_hub(path if kind is None else f"{kind.prefix}{path}", split, how, given)
    if kind is None or (kind.pictures and Path(found).is_dir()):
        return Path(found)
    from ..formats.domains import load_unlabelled_format

    return load_unlabelled_format(kind, Path(found), how, given)


def _unlabelled(path: Path, conversion: Conversion, layout: Layout | None, masks: bool) -> Unlabelled:
    if path.suffix.lower() == ".npz":
        with prefixed(path), arrays_of(path) as arrays:
            inputs, facts = _array_inputs(path, arrays, conversion)
            return Unlabelled(inputs, numbered(inputs), **facts)
    if path.suffix.lower() in SVMLIGHT:
        features, _ = read_svmlight(path, layout)
        return Unlabelled(features, numbered(features))
    root, files = (path, images_below(path)) if path.is_dir() else (path.parent, [path])
    files = in_order(root, files if masks else without_masks(files)[0])
    read = decode(files, conversion)
    return Unlabelled(read.images, _relative(root, files, read), **read.facts)


def load(
    path: str | Path,
    label: str | Sequence[str] | None = None,
    *,
    size: Size | None = None,
    channels: Channels | None = None,
    skip_bad: bool = False,
    depth: int | None = None,
    background: str = "white",
    memory: int | None = None,
    layout: Layout | None = None,
    given: Sequence[str] = (),
    resize: Resize = USUAL,
    split: str | None = None,
    format: str | None = None,
) -> Labelled:
    """Load images or features with their labels.

    Args:
        path: a folder with a metadata table, a folder with one subfolder per class, an `.npz`, or an svmlight file. The
            `.npz` has `images` or `features` (dense or sparse), and `labels` or one array per label column.
        label: a column name (classes), or a list of column names (numbers). The default is the column `label`, or the
            class subfolders if there is no table.
        size, channels, skip_bad, depth, background, memory, layout, given, resize, split, format: as in
            `load_unlabelled`. Of another program's format, see `data.formats.domains`.

    Raises:
        InputError: as in `load_unlabelled`; or the label column does not exist, an image of a row does not exist, or a
            label is not a number, or a given column is a label.
    """
    conversion = Conversion(size, channels, skip_bad, depth, background, memory, resize)
    given = check_given_names(given, () if label is None else [label] if isinstance(label, str) else label)
    from ..objects import load_hub_labelled

    if is_hub(path):
        return load_hub_labelled(path, split, label, conversion, given)
    if is_packed(path, split, format):
        from ..shards import load_shards

        return load_shards(path, label, conversion, given)
    path, kind = existing(path, split, format)
    if kind is not None and kind.prefix:
        return load_hub_labelled(f"{kind.prefix}{path}", split, label, conversion, given)
    if kind is not None:
        from ..formats.domains import load_format

        return load_format(kind, path, label, conversion, given)
    return with_given(_labelled(path, label, conversion, layout), path, given)


def _labelled(path: Path, label: str | Sequence[str] | None, conversion: Conversion, layout: Layout | None) -> Labelled:
    if path.suffix.lower() == ".npz":
        return _load_arrays(path, label, conversion)
    if path.suffix.lower() in SVMLIGHT:
        return _load_svmlight(path, label, layout)
    if not path.is_dir():
        raise InputError(f"{path}: found a file, expected a folder of images or an .npz or svmlight file with labels")
    tables = metadata_tables(path)
    if tables:
        return _load_tables(path, tables, label, conversion)
    return _load_class_folders(path, label, conversion)


def in_order(folder: Path, files: Sequence[Path]) -> list[Path]:
    """The files in the natural order of their paths below `folder`."""
    return sorted(files, key=lambda file: natural_key(file.relative_to(folder).as_posix()))


def _relative(root: Path, files: Sequence[Path], read: Decoded) -> tuple[str, ...]:
    return tuple(files[i].relative_to(root).as_posix() for i in read.kept)


def _load_class_folders(folder: Path, label: str | Sequence[str] | None, conversion: Conversion) -> Labelled:
    files = in_order(folder, without_masks(images_below(folder))[0])
    if label is not None and label not in AS_CLASSES:
        raise InputError(
            f"{folder}: the label column {listed(label)} was requested, but found no {' or '.join(TABLES)}. "
            "Add one with the column file_name and the label columns"
        )
    loose = next((file for file in files if file.parent == folder), None)
    if loose is not None:
        raise InputError(
            f"{folder}: found no labels: {loose.name} is not in a class subfolder, and there is no "
            f"{' or '.join(TABLES)}. Expected one subfolder per class, or a table with file_name and label"
        )
    check_classes(folder, {file.relative_to(folder).parts[0] for file in files})
    read = decode(files, conversion)
    names = [files[i].relative_to(folder).parts[0] for i in read.kept]
    labels, classes = indexed(names)
    return Labelled(read.images, labels, classes, names=_relative(folder, files, read), **read.facts)


def _load_tables(
    folder: Path, tables: Sequence[Path], label: str | Sequence[str] | None, conversion: Conversion
) -> Labelled:
    columns = [label if label is not None else "label"] if label is None or isinstance(label, str) else list(label)
    find = as_spelled(folder)
    rows = [(table, find(file), values) for table, file, values in rows_of(tables, folder, columns)]
    files = [file for _, file, _ in rows]
    twice = next((file for file, times in Counter(files).items() if times > 1), None)
    if twice is not None:
        raise InputError(
            f"{twice}: found {files.count(twice)} rows in the metadata tables of {folder}, expected one. Keep one row "
            f"for it, and keep only one of {' and '.join(TABLES)} in a folder"
        )
    present = files_below(folder)
    images, _ = without_masks([file for file in present if is_image(file)])
    left = sorted(set(images) - set(files))
    if left:
        text = (
            f"{folder}: {len(left)} image(s) have no row in its metadata tables and are not loaded, for example "
            f"{left[0].relative_to(folder)}"
        )
        warnings.warn(LeftOutWarning(text, {"without a row": len(left)}), stacklevel=2)
    say_left_out(folder, other_kinds(set(present) - set(files)))
    absent = next((file for file in files if not is_file(file)), None)
    if absent is not None:
        raise InputError(f"{absent}: listed in the metadata table of {folder}, but there is no such file")
    read = decode(files, conversion)
    kept = [rows[i] for i in read.kept]
    names = _relative(folder, files, read)
    if label is None or isinstance(label, str):
        wrong = next(((table, file, row[0]) for table, file, row in kept if not is_name(row[0])), None)
        if wrong is not None:
            table, file, value = wrong
            raise InputError(
                f"{table}: the label column '{columns[0]}' of {file.relative_to(folder)} contains {value!r}, expected "
                "a class name"
            )
        labels, classes = as_classes([row[0] for _, _, row in kept])
        return Labelled(read.images, labels, classes, names=names, **read.facts)
    values = torch.tensor(
        [[number(v, c, table, file) for v, c in zip(row, columns, strict=True)] for table, file, row in kept],
        dtype=torch.float64,
    )
    return Labelled(read.images, values, columns=tuple(columns), names=names, **read.facts)


@contextmanager
def prefixed(path: str | Path) -> Iterator[None]:
    """Put the path before the message of an `InputError` that does not name it."""
    try:
        yield
    except InputError as error:
        raise (error if str(error).startswith(str(path)) else InputError(f"{path}: {error}")) from None


def _array_inputs(path: Path, arrays: Arrays, conversion: Conversion) -> tuple[Inputs, dict[str, Any]]:
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
    x = resize(x.contiguous(), conversion.size, conversion.channels, conversion.resize)
    return x, {} if conversion.size is None else {"sizes": given, "resize": conversion.resize}


def _features(path: Path, values: NDArray[np.float64]) -> Tensor:
    if values.ndim != 2 or values.shape[1] == 0:
        raise InputError(f"{path}: 'features' of shape {values.shape}, expected (N, F) with one feature or more")
    if np.isnan(values).any():
        row, column = np.argwhere(np.isnan(values))[0].tolist()
        raise InputError(
            f"{path}: 'features' contains NaN, first in row {row}, column {column}, expected numbers. Fill or remove it"
        )
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values (N, ...) as (N, K)."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _load_arrays(path: Path, label: str | Sequence[str] | None, conversion: Conversion) -> Labelled:
    with prefixed(path), arrays_of(path) as arrays:
        inputs, facts = _array_inputs(path, arrays, conversion)
        names = numbered(inputs)
        if label is None or isinstance(label, str):
            usual = (label, "labels", "label") if label in (None, *AS_CLASSES) else (label,)
            key = next((k for k in usual if k is not None and k in arrays), None)
            if key is None:
                wanted = label if label is not None else "labels"
                raise InputError(f"{path}: found the arrays {listed(arrays.keys())}, expected '{wanted}'")
            if arrays[key].ndim != 1:
                shape = arrays[key].shape
                raise InputError(f"{path}: '{key}' of shape {shape}, expected ({len(inputs)},), one class per sample")
            values = arrays.column(key).tolist()
            wrong = next((i for i, value in enumerate(values) if not is_name(value)), None)
            if wrong is not None:
                raise InputError(
                    f"'{key}' contains {values[wrong]!r} at index {wrong}, expected a class name or number"
                )
            labels, classes = as_classes(values)
            return Labelled(inputs, labels, classes, names=names, **facts)
        columns = tuple(label)
        for key in columns if all(column in arrays for column in columns) else ("labels",):
            if key in arrays and len(arrays.column(key)) != len(inputs):
                raise InputError(
                    f"{len(inputs)} inputs but {len(arrays.column(key))} values of '{key}', expected the same number "
                    "of each"
                )
        if all(column in arrays for column in columns):
            values = np.concatenate([_columns(arrays.numbers(column)) for column in columns], axis=1)
        elif "labels" in arrays:
            values = _columns(arrays.numbers("labels"))
        else:
            raise InputError(
                f"{path}: found the arrays {listed(arrays.keys())}, expected {listed(columns)} or 'labels'"
            )
        if values.shape != (len(inputs), len(columns)):
            raise InputError(f"{path}: labels of shape {values.shape}, expected ({len(inputs)}, {len(columns)})")
        return Labelled(inputs, torch.from_numpy(values.astype(np.float64)), columns=columns, names=names, **facts)


def _load_svmlight(path: Path, label: str | Sequence[str] | None, layout: Layout | None) -> Labelled:
    features, column = read_svmlight(path, layout)
    if label is None or isinstance(label, str):
        wrong = next((row for row, value in enumerate(column, start=1) if not is_name(value)), None)
        if wrong is not None:
            raise InputError(f"{path}: the label of row {wrong} is {column[wrong - 1]}, expected a class number")
        labels, classes = as_classes(column)
        return Labelled(features, labels, classes, names=numbered(features))
    if len(label) != 1:
        raise InputError(
            f"{path}: the label columns {listed(label)} were requested, but an svmlight file has one. Name one"
        )
    if any(abs(value) > MOST for value in column):
        raise InputError(f"{path}: found the label {max(column, key=abs)}, expected finite numbers")
    values = torch.tensor(column, dtype=torch.float64)[:, None]
    return Labelled(features, values, columns=tuple(label), names=numbered(features))


def numbered(inputs: Inputs) -> tuple[str, ...]:
    """Names of samples that have none: their numbers."""
    return tuple(str(i) for i in range(len(inputs)))
