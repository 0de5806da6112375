"""Data sets of Hugging Face `datasets`: as objects, by name, and from a folder.

load("hf:NAME", split="train")        # from the hub, or the package's own cache of it
load("hf:NAME:CONFIG@train")          # the same as one text, for the command line
load("hf:FOLDER")                     # of save_to_disk, or with images, parquet or csv files
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..reading.images import decode
from ..reading.loading import HUB
from ..reading.pixels import Conversion, Held, Read
from ..reading.tables import listed
from .base import Ask, Found, is_of
from .pictures import read_value
from .tables import label_columns, read_table

SAVED = ("dataset_info.json", "dataset_dict.json")  # files of a folder of save_to_disk
NO_CLASS = -1  # what data sets write for a label that is not published


def open_hub(path: str | Path, split: str | None = None) -> Any:
    """The data set that a path `hf:NAME`, `hf:NAME:CONFIG@SPLIT` or `hf:FOLDER` names.

    Args:
        path: the path. The cache and the offline switches (`HF_HOME`, `HF_DATASETS_OFFLINE`) are those of `datasets`.
        split: name of the split; None for the one of the path, or else the only one.

    Raises:
        InputError: the package is missing, there is no such data set, or it has several splits and none was named.
    """
    name, _, of_path = str(path).removeprefix(HUB).partition("@")
    split = split or of_path or None
    try:
        datasets = import_module("datasets")
    except ImportError:
        raise InputError(
            f"{path}: needs the package datasets. Install it: pip install 'synth2real[datasets]'"
        ) from None
    try:
        if any((Path(name) / file).is_file() for file in SAVED):
            found = datasets.load_from_disk(name)
        else:
            of, _, config = (name, "", "") if Path(name).exists() else name.partition(":")
            found = datasets.load_dataset(of, config or None)
    except Exception as error:  # of the hub, of files and of builders
        why = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{path}: cannot be loaded by the package datasets ({why}), "
            "expected the name of a data set or a folder. Check the spelling and the connection"
        ) from None
    if not is_of(found, "datasets", "DatasetDict"):
        if split is not None:
            raise InputError(f"{path}: has no splits, but found split '{split}'. Leave it out")
        return found
    chosen = split or (next(iter(found)) if len(found) == 1 else None)
    if chosen is None or chosen not in found:
        raise InputError(
            f"{path}: {'found several splits' if chosen is None else f'has no split {chosen!r}'}, expected one of "
            f"{listed(found)}. Name it: {HUB}{name}@{next(iter(found))} (split= in Python)"
        )
    return found[chosen]


def hub_column(path: str | Path, column: str) -> list[Any] | None:
    """The values of a column of a data set by its name, one for each row; None if it has no such column."""
    dataset = open_hub(path)
    return _column(dataset, column) if column in dataset.column_names else None


def is_dataset(value: object) -> bool:
    """Whether a value is a data set of the package `datasets`, of any kind."""
    return is_of(value, "datasets", "Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")


def read_hugging_face(dataset: Any, ask: Ask) -> Found:
    """The images or features, labels and given columns of a `datasets.Dataset`.

    The images are the column of the feature `Image`; without one, the data set is read like a table. Formats and
    transforms of the data set (`set_format`, `set_transform`) are not applied. Columns that are not wanted are not
    read.

    Raises:
        InputError: it has splits, or is a stream; or as `read_table`.
    """
    if is_of(dataset, "datasets", "DatasetDict", "IterableDatasetDict"):
        first = next(iter(dataset), "train")
        raise InputError(f"found the splits {listed(dataset)}, expected one of them: dataset['{first}']")
    if is_of(dataset, "datasets", "IterableDataset"):
        raise InputError("found a stream, expected a data set in memory or on disk. Load it without streaming=True")
    if len(dataset) == 0:
        raise InputError("the data set is empty, expected at least one row")
    dataset = dataset.with_format(None)
    image = _image_column(dataset, ask)
    columns = [ask.label] if isinstance(ask.label, str) else None
    if ask.labelled and ask.label is None:
        columns = _class_columns(dataset) or label_columns(ask, dataset.column_names)
    elif ask.labelled:
        columns = label_columns(ask, dataset.column_names)
    if image is None:
        return _as_table(dataset, columns, ask)
    pixels = dataset.select_columns([image]).cast_column(image, import_module("datasets").Image(decode=False))
    read = decode([_Row(pixels, image, i) for i in range(len(dataset))], ask.how)
    label, classes = (ask.label if ask.labelled else None, ()) if columns is None else _labels(dataset, columns, ask)
    given = ask.given
    if given is not None and not ask.given_columns:
        given = _numbers(dataset, list(given))
    names = tuple(map(str, read.kept))
    given_columns = ask.given_columns or tuple(ask.given or ())
    return Found(
        read.images, read.sizes, read.depth, names, label, classes, given, given_columns, read.kept, len(dataset)
    )


class _Row(Held):
    """One image of a data set: its packed bytes, or the path of its file."""

    def __init__(self, dataset: Any, column: str, index: int) -> None:
        super().__init__(f"row {index}")
        self.dataset, self.column, self.index = dataset, column, index

    def read(self, how: Conversion) -> Read:
        return read_value(self.dataset[self.index][self.column], how)


def _features(dataset: Any, is_kind: Callable[[Any], bool]) -> list[str]:
    return [name for name, feature in dataset.features.items() if is_kind(feature)]


def _image_column(dataset: Any, ask: Ask) -> str | None:
    """The column of images; None if there is none."""
    found = _features(dataset, lambda feature: is_of(feature, "datasets", "Image"))
    if ask.image is not None and ask.image not in dataset.column_names:
        raise InputError(f"the data set has no image column '{ask.image}', found {listed(dataset.column_names)}")
    if ask.image is not None:
        return ask.image if ask.image in found else None
    if len(found) > 1:
        raise InputError(f"the columns {listed(found)} are all images. Name one: image='{found[0]}'")
    return found[0] if found else None


def _class_columns(dataset: Any) -> list[str] | None:
    """The only column of class labels; None if there is none, or several."""
    found = _features(dataset, lambda feature: is_of(feature, "datasets", "ClassLabel"))
    return found if len(found) == 1 else None


def _labels(dataset: Any, columns: list[str], ask: Ask) -> tuple[Any, tuple[str, ...]]:
    """The labels of the columns, and the names of the classes if the data set has them."""
    if isinstance(ask.label, list | tuple):
        return _numbers(dataset, columns), ()
    (column,) = columns
    values, feature = _column(dataset, column), dataset.features[column]
    if not is_of(feature, "datasets", "ClassLabel"):
        return values, ()
    unknown = next((i for i, value in enumerate(values) if value is None or value == NO_CLASS), None)
    if unknown is not None:
        raise InputError(
            f"the label column '{column}' is {values[unknown]} in row {unknown}, expected a class. Leave such rows "
            f"out: dataset.filter(lambda row: row['{column}'] not in (None, -1))"
        )
    return values, tuple(feature.names)


def _column(dataset: Any, column: str) -> list[Any]:
    values: list[Any] = dataset.with_format(None).select_columns([column])[:][column]
    return values


def _numbers(dataset: Any, columns: list[str]) -> Any:
    """Columns of numbers (N, K), as a table of pandas."""
    missing = [name for name in columns if name not in dataset.column_names]
    if missing:
        raise InputError(f"the data set has no column {listed(missing)}, found {listed(dataset.column_names)}")
    frame = dataset.select_columns(columns).to_pandas()
    try:
        return frame.astype(float)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the columns {listed(columns)} hold no numbers ({error}), expected one number a row"
        ) from None


def _as_table(dataset: Any, columns: list[str] | None, ask: Ask) -> Found:
    """A data set without images, whose columns are features or paths. Classes that have names are read as such."""
    if not ask.labelled:
        dataset = dataset.remove_columns(_features(dataset, lambda feature: is_of(feature, "datasets", "ClassLabel")))
    found = read_table(
        dataset.to_pandas(), ask if ask.label is not None or columns is None else replace(ask, label=columns[0])
    )
    if columns is None or isinstance(ask.label, list | tuple):
        return found
    label, classes = _labels(dataset, columns, ask)
    return replace(found, label=label, classes=classes)
