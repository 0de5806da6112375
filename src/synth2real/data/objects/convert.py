"""Any object that holds data, as a domain: the one place that decides what an object is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.sparse import issparse
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...errors import InputError
from ..domains import Labelled, Unlabelled, called, check_kind
from ..labels import Boxes, Masks
from ..reading.images import ImageFiles
from ..reading.loading import numbered, prefixed
from ..reading.pixels import Conversion
from ..sparse import Sparse
from ..subsets import Part
from ..tiles.cutting import cut
from ..tiles.inputs import Tiles
from .arrays import as_array, features_of, read_array
from .base import Ask, Found
from .huggingface import is_dataset, open_hub, read_hugging_face
from .labels import labels_of
from .masks import are_masks, masks_of
from .pictures import is_picture, read_sequence
from .tables import is_table, read_table
from .torch_datasets import ArraysOnAccess, read_dataset

PAIR = 2  # elements of a tuple (X, y)
Types = tuple[type[Any], ...]
INPUTS = (Sparse, Part, ImageFiles, ArraysOnAccess, Tiles)  # of a domain


def labelled_of(x: Any, ask: Ask, classes: Sequence[str] = (), columns: Sequence[str] = ()) -> Labelled:
    """An object with its labels as a domain, see `Labelled.of`."""
    return cut(_labelled_of(x, ask, classes, columns))


def _labelled_of(x: Any, ask: Ask, classes: Sequence[str], columns: Sequence[str]) -> Labelled:
    found = _read(x, ask)
    if found.label is None:
        raise InputError(f"X, {called(x)}, has no labels, expected some. Give them: Labelled.of(X, y)")
    if are_masks(found.label):
        return _masked(found, ask, classes)
    if isinstance(found.label, Boxes):
        return _with_labels(
            found, found.label if found.kept is None else found.label[torch.tensor(found.kept)], classes
        )
    label, names, named = labels_of(found.label, classes or found.classes, columns)
    if isinstance(ask.label, list | tuple) and not named and all(isinstance(one, str) for one in ask.label):
        named = tuple(ask.label)
    kept = None if found.kept is None else torch.tensor(found.kept)
    if kept is not None and len(label) == found.count:
        label = label[kept]
    elif kept is not None:
        raise InputError(f"{found.count} inputs but {len(label)} labels, expected the same number of each")
    given, given_columns = _given(found, kept)
    return Labelled(
        found.inputs,
        label,
        names,
        named,
        found.names,
        found.sizes,
        depth=found.depth,
        given=given,
        given_columns=given_columns,
        resize=found.resize,
    )


def _masked(found: Found, ask: Ask, classes: Sequence[str]) -> Labelled:
    """Images and their masks as a domain."""
    kept = None if found.kept is None else torch.tensor(found.kept)
    size = (int(found.inputs.shape[-2]), int(found.inputs.shape[-1]))
    sizes = torch.tensor(size).expand(len(found.inputs), 2) if found.sizes is None else found.sizes
    masks, names = masks_of(found.label, classes or found.classes, kept, sizes, size, ask.how.resize)
    return _with_labels(found, masks, names)


def _with_labels(found: Found, labels: Masks | Boxes, classes: Sequence[str]) -> Labelled:
    """Images and their masks or boxes as a domain."""
    given, given_columns = _given(found, None if found.kept is None else torch.tensor(found.kept))
    more = {"depth": found.depth, "given": given, "given_columns": given_columns, "resize": found.resize}
    return Labelled(found.inputs, labels, tuple(classes), (), found.names, found.sizes, **more)  # type: ignore[arg-type]


def unlabelled_of(x: Any, ask: Ask) -> Unlabelled:
    """An object without its labels as a domain, see `Unlabelled.of`."""
    return cut(_unlabelled_of(x, ask))


def _unlabelled_of(x: Any, ask: Ask) -> Unlabelled:
    found = _read(x, ask)
    given, given_columns = _given(found, None if found.kept is None else torch.tensor(found.kept))
    return Unlabelled(found.inputs, found.names, found.sizes, found.depth, given, given_columns, found.resize)


def load_hub(path: str | Path, split: str | None, how: Conversion, given: Sequence[str]) -> Unlabelled:
    """A data set of Hugging Face by its name, without labels, see `load_unlabelled`. Names are the numbers of rows.

    Raises:
        InputError: as `open_hub` and `Unlabelled.of`.
    """
    with prefixed(path):
        found = _unlabelled_of(open_hub(path, split), Ask(labelled=False, how=how, given=given or None))
        return cut(replace(found, names=found.names or numbered(found.inputs)))


def load_hub_labelled(
    path: str | Path, split: str | None, label: str | Sequence[str] | None, how: Conversion, given: Sequence[str]
) -> Labelled:
    """A data set of Hugging Face by its name, with its labels, see `load`. Names are the numbers of rows.

    Raises:
        InputError: as `open_hub` and `Labelled.of`.
    """
    label = label if label is None or isinstance(label, str) else list(label)
    with prefixed(path):
        found = labelled_of(open_hub(path, split), Ask(labelled=True, how=how, label=label, given=given or None))
        return replace(found, names=found.names or numbered(found.inputs))


def as_labelled(
    value: Any, what: str, how: Conversion | None = None, given: Sequence[str] = (), allowed: Types = ()
) -> Any:
    """What a user gave for labelled data as `Labelled`: `(X, y)`, or an object that holds its labels.

    Args:
        value: what the user gave.
        what: begins the message of an error, such as `the source is`.
        how: images are converted.
        given: given columns, if the object is a table or data set.
        allowed: further types, which stay as they are.

    Raises:
        InputError: it holds no labelled data, or as `Labelled.of`.
    """
    if isinstance(value, (Labelled, *allowed)):
        return value
    x, y = value if _is_pair(value) else (value, None)
    if y is None and not (is_dataset(x) or is_table(x) or isinstance(x, Dataset)):
        check_kind(value, (Labelled, *allowed), what)
    named = given if is_dataset(x) or is_table(x) else ()
    with _called(what):
        return labelled_of(x, Ask(labelled=True, label=y, how=how or Conversion(), given=named or None))


def as_unlabelled(
    value: Any, what: str, how: Conversion | None = None, given: Sequence[str] = (), allowed: Types = ()
) -> Any:
    """What a user gave for unlabelled data as `Unlabelled`. Labels of a data set are dropped without a look at them.

    Args, raises: as `as_labelled`; `(X, y)` is refused.
    """
    if isinstance(value, (Unlabelled, *allowed)):
        return value
    if _is_pair(value) or not _holds_data(value):
        check_kind(value, (Unlabelled, *allowed), what)
    named = given if is_dataset(value) or is_table(value) else ()
    with _called(what):
        return unlabelled_of(value, Ask(labelled=False, how=how or Conversion(), given=named or None))


@contextmanager
def _called(what: str) -> Iterator[None]:
    """Let messages begin with what the data is, such as `the target`."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what.removesuffix(' is')}: {error}") from None


def _is_pair(value: Any) -> bool:
    """Whether a value is a tuple (X, y), and no tuple of two images."""
    return isinstance(value, tuple) and len(value) == PAIR and not is_picture(value[0])


def _read(x: Any, ask: Ask) -> Found:
    """What an object holds."""
    if isinstance(x, DataLoader):
        raise InputError(
            "X is a DataLoader, expected its data set, because training draws its own batches. Give loader.dataset"
        )
    if is_dataset(x):
        return read_hugging_face(x, ask)
    if is_table(x):
        return read_table(x, ask)
    found = _of_kind(x, ask)
    if found.label is None and ask.labelled:
        found = replace(found, label=ask.label)
    if ask.given is not None:
        if is_table(ask.given):
            ask = replace(ask, given_columns=tuple(map(str, ask.given.columns)))
        found = replace(found, given=ask.given, given_columns=ask.given_columns)
    return found


def are_images(x: Any) -> bool:
    """Whether an object holds images, or is a data set, and no table of numbers."""
    if is_table(x):
        return len(x) > 0 and any(is_picture(value) for value in x.iloc[0].tolist())
    if isinstance(x, list | tuple):
        return len(x) > 0 and (is_picture(x[0]) or getattr(x[0], "ndim", 0) > 1)
    return is_dataset(x) or isinstance(x, Dataset) or getattr(x, "ndim", 0) > PAIR


def _holds_data(x: Any) -> bool:
    """Whether an object is of a kind that `_read` takes."""
    kinds = (Dataset, DataLoader, Image.Image, list, tuple, Tensor, np.ndarray, *INPUTS)
    return is_dataset(x) or is_table(x) or issparse(x) or isinstance(x, kinds) or hasattr(x, "__array__")


def _of_kind(x: Any, ask: Ask) -> Found:
    """What an object other than a table or a data set of Hugging Face holds; its labels stand beside it."""
    if isinstance(x, Dataset):
        return read_dataset(x, ask)
    if issparse(x):
        return Found(_sparse(x))
    if isinstance(x, INPUTS):
        return Found(x)
    if isinstance(x, list | tuple):
        return read_sequence(x, ask)
    if isinstance(x, Tensor | np.ndarray) or (hasattr(x, "__array__") and not isinstance(x, Image.Image)):
        return read_array(x, ask)
    raise InputError(f"X is {called(x)}, {_mend(x)}")


def _sparse(matrix: Any) -> Sparse:
    """Sparse features, each a finite number."""
    if matrix.ndim != PAIR or 0 in matrix.shape:
        raise InputError(f"X is a sparse matrix of the shape {matrix.shape}, expected (N, F) with at least one of each")
    sparse = Sparse(matrix)
    if not np.isfinite(sparse.matrix.data).all():
        raise InputError("X is a sparse matrix with values that are not finite, expected numbers. Remove them")
    return sparse


def _mend(x: Any) -> str:
    """What was expected instead of an object that holds no data, and how to make it."""
    if isinstance(x, Image.Image):
        return "expected several images. Give a list: [image]"
    if isinstance(x, Labelled | Unlabelled):
        return "which is a domain already. Use it as it is"
    if hasattr(x, "read_text") or isinstance(x, str):
        return "expected data. Load it: load(path, label=...) or load_unlabelled(path)"
    if hasattr(x, "to_pandas"):
        return "expected a table of pandas. Convert it: X.to_pandas()"
    return (
        "expected an array or tensor, a table of pandas, a list of images or paths, or a data set of torch or "
        "Hugging Face" + (". Give a list: list(X)" if hasattr(x, "__iter__") else "")
    )


def _given(found: Found, kept: Tensor | None) -> tuple[Tensor | None, tuple[str, ...]]:
    """The given values (N, G) of the samples that were kept, and their names."""
    if found.given is None:
        return None, ()
    values = as_array(found.given, "given")
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != PAIR:
        raise InputError(f"given has the shape {values.shape}, expected (N, G)")
    given = features_of(values, "given")
    return given if kept is None or len(kept) == len(given) else given[kept], found.given_columns
