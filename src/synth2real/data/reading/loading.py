"""Reading domains from disk: folders of images, metadata tables, `.npz` and svmlight files.

    load("synthetic/")                            # class subfolders, or a metadata table with the column `label`
    load("synthetic/", label="digit")             # one column of class names
    load("synthetic/", label=["iris_x", "iris_y"])  # columns of numbers
    load("synthetic/", label="mask")              # the class of each pixel
    load("synthetic/", label="boxes")             # the boxes of objects
    load_unlabelled("photos/")                    # every image in the folder and its subfolders; labels are never read
    load("books.svmlight")                        # sparse features; the first column is the class
    load("hf:NAME", split="train")                # a data set of Hugging Face, or a folder: "hf:FOLDER"

Metadata tables have the format of Hugging Face `datasets`: `metadata.csv` or `metadata.jsonl` with a column
`file_name`. This path is relative to the table.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ...errors import InputError, LeftOutWarning
from ..domains import MOST, Inputs, Labelled, Unlabelled
from ..fitting import TILES, USUAL, Resize
from ..given import check_given_names
from ..sparse import SVMLIGHT, Layout, read_svmlight
from ..tiles.cutting import cut, refused
from .arrays import array_inputs, columns_of
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
from .images import Decoded, decode
from .npz import arrays_of
from .pictured import load_pictured
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
        masks: also load the masks of images, such as `NAME_mask.png` beside `NAME.png`, as images.
        given: columns of numbers that are known of every image and are no labels: columns of a metadata table, or
            arrays (N,) of an `.npz`.
        resize: how images are brought to `size`: `stretch`, `crop`, `letterbox` or `tiles`, see `Conversion`.
        split: of a data set of Hugging Face, see `objects.huggingface.open_hub`.
        format: of another program's folder, such as `coco`; None to find it, `images` for plain images.

    Raises:
        InputError: the path does not exist, there is no image, an image is unreadable, images differ in size or
            channels, or an image has no finite value of a given column.
    """
    conversion = Conversion(size, channels, skip_bad, depth, background, memory, resize)
    given = check_given_names(given)
    found = _elsewhere(path, split, format, conversion, given)
    if isinstance(found, Path):
        found = with_given(_unlabelled(found, conversion, layout, masks), found, given)
    return cut(found)


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
            inputs, facts = array_inputs(path, arrays, conversion)
            return Unlabelled(inputs, numbered(inputs), **facts)
    if path.suffix.lower() in SVMLIGHT:
        features, _ = read_svmlight(path, layout)
        return Unlabelled(features, numbered(features))
    root, files = (path, images_below(path)) if path.is_dir() else (path.parent, [path])
    if not masks and path.is_dir():
        from ..masks import images_without_masks

        files = images_without_masks(root, files)
    files = in_order(root, files)
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
    classes: Sequence[str] = (),
) -> Labelled:
    """Load images or features with their labels.

    Args:
        path: a folder with a metadata table, a folder with one subfolder per class, an `.npz`, or an svmlight file. The
            `.npz` has `images` or `features` (dense or sparse), and `labels` or one array per label column.
        label: a column name (classes), or a list of column names (numbers). The default is the column `label`, or the
            class subfolders if there is no table. For masks `mask`, or `mask:NAME`, or a list; see `regions.asked`. For
            boxes `boxes`, or `boxes:NAME`, or a list.
        size, channels, skip_bad, depth, background, memory, layout, given, resize, split, format: as in
            `load_unlabelled`. Of another program's format, see `data.formats.domains`.
        classes: names of the ids of masks from 0 on, or of their black and white. For masks without a `classes.yaml`.

    Raises:
        InputError: as in `load_unlabelled`; or the label column does not exist, an image of a row does not exist, or a
            label is not a number, or a given column is a label.
    """
    conversion = Conversion(size, channels, skip_bad, depth, background, memory, resize)
    given = check_given_names(given, () if label is None else [label] if isinstance(label, str) else label)
    pictured = load_pictured(path, label, classes, (split, format), conversion, given)
    if pictured is not None:
        return cut(pictured)
    if resize == TILES:
        raise refused(f"{path}: found the label {listed(label or AS_CLASSES[0])}")
    found = _labelled_elsewhere(path, label, (split, format), conversion, given)
    if isinstance(found, Labelled):
        return found
    return with_given(_labelled(found, label, conversion, layout), found, given)


def _labelled_elsewhere(
    path: str | Path,
    label: str | Sequence[str] | None,
    where: tuple[str | None, str | None],
    how: Conversion,
    given: tuple[str, ...],
) -> Labelled | Path:
    """`_elsewhere` with labels; `where` has the split and the format."""
    from ..objects import load_hub_labelled

    if is_hub(path):
        return load_hub_labelled(path, where[0], label, how, given)
    if is_packed(path, *where):
        from ..shards import load_shards

        return load_shards(path, label, how, given)
    found, kind = existing(path, *where)
    if kind is not None and kind.prefix:
        return load_hub_labelled(f"{kind.prefix}{found}", where[0], label, how, given)
    if kind is None:
        return found
    from ..formats.domains import load_format

    return load_format(kind, found, label, how, given)


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


def _load_arrays(path: Path, label: str | Sequence[str] | None, conversion: Conversion) -> Labelled:
    with prefixed(path), arrays_of(path) as arrays:
        inputs, facts = array_inputs(path, arrays, conversion)
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
            values = np.concatenate([columns_of(arrays.numbers(column)) for column in columns], axis=1)
        elif "labels" in arrays:
            values = columns_of(arrays.numbers("labels"))
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
