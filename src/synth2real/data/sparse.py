"""Sparse features: a matrix in compressed rows that returns dense batches, and its file formats.

Files are svmlight (`.svmlight`, `.libsvm`: `label index:value ...`, one sample per line) or the `.npz` of
`scipy.sparse.save_npz`. The `.npz` may also contain `labels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from scipy.sparse import csc_array, csr_array, get_index_dtype
from torch import Tensor

from ..errors import InputError
from .domains import is_count
from .reading.npz import Arrays

SVMLIGHT = (".svmlight", ".libsvm")
COMPRESSED = ("data", "indices", "indptr", "shape")  # arrays of a sparse .npz


class Sparse:
    """Features (N, F), stored without the zeros.

    `inputs[index]` is a dense batch (B, F) float32. Only `dense` converts the whole matrix to a dense one.

    Args:
        matrix: (N, F), anything that scipy converts to CSR. It is stored as float32.
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix = csr_array(matrix, dtype=np.float32)
        # Row indexing by int64 converts the indices to int64, but scikit-learn's linear SVMs accept at most 32 bits.
        width = get_index_dtype(maxval=max(self.matrix.nnz, *self.matrix.shape))
        self.matrix.indices = self.matrix.indices.astype(width, copy=False)
        self.matrix.indptr = self.matrix.indptr.astype(width, copy=False)

    @property
    def shape(self) -> torch.Size:
        """(N, F)."""
        return torch.Size(self.matrix.shape)

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitem__(self, index: Tensor, /) -> Tensor:
        return torch.from_numpy(self.matrix[index.numpy()].toarray())

    def __repr__(self) -> str:
        return f"Sparse({len(self)} x {self.shape[1]}, {self.matrix.nnz} values)"

    def subset(self, index: Tensor) -> Self:
        """The samples at `index` (B,) int64, as a sparse matrix."""
        return type(self)(self.matrix[index.numpy()])

    def dense(self) -> Tensor:
        """The whole matrix, dense, (N, F) float32."""
        return torch.from_numpy(self.matrix.toarray())

    def scale(self) -> float:
        """Root mean square of the non-zero values; 1 if there are none."""
        values = self.matrix.data[self.matrix.data != 0].astype(np.float64)
        return float(np.sqrt(np.square(values).mean())) if len(values) else 1.0


@dataclass(frozen=True)
class Layout:
    """Width and first index of the svmlight files of one task.

    It is determined once from source and target, and saved with the model.

    Args:
        width: number of features.
        zero_based: True if indices count from 0, False if they count from 1.

    Raises:
        InputError: the width is not a positive whole number, or `zero_based` is not a truth value.
    """

    width: int
    zero_based: bool

    def __post_init__(self) -> None:
        if not is_count(self.width) or not isinstance(self.zero_based, bool):
            raise InputError(
                f"layout of width {self.width!r} and zero_based {self.zero_based!r}, expected a positive whole number "
                "and True or False"
            )

    @classmethod
    def of(cls, paths: Sequence[str | Path], zero_based: bool | None = None) -> Self | None:
        """The common layout of all svmlight files in `paths`; None if there is none.

        Args:
            paths: files of source and target. Files of other formats are ignored.
            zero_based: True if indices count from 0. By default it is True if any file has an index 0.

        Raises:
            InputError: a file is damaged, or a file has an index 0 although `zero_based` is False.
        """
        files = [path for path in map(Path, paths) if path.suffix.lower() in SVMLIGHT]
        indices = [_read(file)[0].indices for file in files]
        lowest = [int(each.min()) if len(each) else 1 for each in indices]
        highest = max((int(each.max()) for each in indices if len(each)), default=0)
        if not files:
            return None
        if zero_based is False and min(lowest) == 0:
            raise InputError(
                f"{files[lowest.index(0)]}: found the index 0, expected indices from 1. "
                "Pass --zero-based (zero_based=True in Python)"
            )
        zero_based = min(lowest) == 0 if zero_based is None else zero_based
        return cls(max(highest + zero_based, 1), zero_based)


def read_svmlight(path: Path, layout: Layout | None = None) -> tuple[Sparse, list[float]]:
    """Features and the first column of an svmlight file.

    Args:
        path: the file. Comments and `qid` are ignored.
        layout: width and first index. By default the file alone determines them.

    Raises:
        InputError: the file is damaged, empty, or wider than the layout.
    """
    raw, labels = _read(path)
    layout = layout or Layout.of([path])
    assert layout is not None
    columns = raw.indices - (0 if layout.zero_based else 1)
    if len(columns) and columns.min() < 0:
        raise InputError(f"{path}: found the index 0, expected indices from 1, as in the training files")
    if len(columns) and columns.max() >= layout.width:
        raise InputError(
            f"{path}: found the index {raw.indices.max()}, expected at most {layout.width - layout.zero_based}: the "
            f"features are {layout.width} wide, counted from {1 - layout.zero_based}. Write it with the same features "
            "as the training files"
        )
    return Sparse(csr_array((raw.data, columns, raw.indptr), shape=(raw.shape[0], layout.width))), labels


def _read(path: Path) -> tuple[Any, list[float]]:
    """The matrix with the indices of the file, unchanged, and the first column."""
    from sklearn.datasets import load_svmlight_file

    try:
        matrix, labels = load_svmlight_file(str(path), zero_based=True, dtype=np.float32)
    except (ValueError, OverflowError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: is not an svmlight file ({error}), expected lines of `label index:value ...` with indices in "
            "order. Write it again"
        ) from None
    if not matrix.shape[0]:
        raise InputError(f"{path}: found no line, expected one sample per line, such as `1 3:0.5 17:2`")
    if not np.isfinite(matrix.data).all():
        raise InputError(f"{path}: found a value that is not finite, expected numbers. Write it again")
    return matrix, labels.tolist()


def is_compressed(arrays: Arrays) -> bool:
    """True if the arrays of an `.npz` are a sparse matrix."""
    return all(name in arrays for name in COMPRESSED)


def from_compressed(path: Path, arrays: Arrays) -> Sparse:
    """The sparse matrix of an `.npz` of `scipy.sparse.save_npz`, in compressed rows or columns.

    Raises:
        InputError: the format is not csr or csc, or the arrays are not a valid matrix.
    """
    data, (indices, indptr, shape) = arrays.numbers("data"), (arrays[name] for name in COMPRESSED[1:])
    form = "".join(map(_text, arrays["format"].ravel().tolist())) if "format" in arrays else "csr"
    if form not in ("csr", "csc"):
        raise InputError(f"{path}: found a sparse matrix in the format {form}, expected csr. Save it as `x.tocsr()`")
    try:
        matrix = (csr_array if form == "csr" else csc_array)((data, indices, indptr), shape=tuple(shape.tolist()))
        matrix.check_format(full_check=True)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"{path}: is not a sparse matrix ({error}), expected the format of scipy.sparse.save_npz"
        ) from None
    if np.isnan(matrix.data).any():
        raise InputError(f"{path}: found NaN in the sparse matrix, expected numbers. Write it again")
    return Sparse(matrix)


def _text(part: Any) -> str:
    return part.decode(errors="replace") if isinstance(part, bytes) else str(part)
