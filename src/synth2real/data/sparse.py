"""Sparse features: a matrix in compressed rows that answers dense batches, and how it is read from disk.

Files are svmlight (`.svmlight`, `.libsvm`: `label index:value ...`, one sample a line) and the `.npz` of
`scipy.sparse.save_npz`, to which `labels` may be added.
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

SVMLIGHT = (".svmlight", ".libsvm")
COMPRESSED = ("data", "indices", "indptr", "shape")  # arrays of a sparse .npz


class Sparse:
    """Features (N, F), of which the few that are not zero are held.

    `inputs[index]` is a dense batch (B, F) float32; the whole is never made dense unless `dense` is called.

    Args:
        matrix: (N, F), anything that scipy converts to CSR; float32 thereafter.
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix = csr_array(matrix, dtype=np.float32)
        # Picking rows by int64 widens the indices, and scikit-learn's linear machines take no more than 32 bits.
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
        """The samples at `index` (B,) int64, still sparse."""
        return type(self)(self.matrix[index.numpy()])

    def dense(self) -> Tensor:
        """All of it, (N, F) float32."""
        return torch.from_numpy(self.matrix.toarray())

    def scale(self) -> float:
        """Root mean square of the values that are not zero; 1 where there are none."""
        values = self.matrix.data[self.matrix.data != 0].astype(np.float64)
        return float(np.sqrt(np.square(values).mean())) if len(values) else 1.0


@dataclass(frozen=True)
class Layout:
    """How svmlight files of one task are read: decided once over source and target, and kept with the model.

    Args:
        width: number of features.
        zero_based: whether indices count from 0; from 1 otherwise.
    """

    width: int
    zero_based: bool

    @classmethod
    def of(cls, paths: Sequence[str | Path], zero_based: bool | None = None) -> Self | None:
        """The layout that serves all svmlight files among `paths`; None where there is none.

        Args:
            paths: files of source and target; others than svmlight are passed over.
            zero_based: whether indices count from 0; by default they do where any file has an index 0.

        Raises:
            InputError: a damaged file, or an index 0 where counting is said to begin at 1.
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
        path: the file; comments and `qid` are passed over.
        layout: width and first index; by default as the file alone suggests.

    Raises:
        InputError: a damaged or empty file, or one that is wider than the layout.
    """
    raw, labels = _read(path)
    layout = layout or Layout.of([path])
    assert layout is not None
    columns = raw.indices - (0 if layout.zero_based else 1)
    if len(columns) and columns.min() < 0:
        raise InputError(f"{path}: found the index 0, expected indices from 1, as in the files that were trained on")
    if len(columns) and columns.max() >= layout.width:
        raise InputError(
            f"{path}: found the index {raw.indices.max()}, expected at most {layout.width - layout.zero_based}: the "
            f"features are {layout.width} wide, counted from {1 - layout.zero_based}. Write it with the words of the "
            "files that were trained on"
        )
    return Sparse(csr_array((raw.data, columns, raw.indptr), shape=(raw.shape[0], layout.width))), labels


def _read(path: Path) -> tuple[Any, list[float]]:
    """The file with its indices as they stand, and its first column."""
    from sklearn.datasets import load_svmlight_file

    try:
        matrix, labels = load_svmlight_file(str(path), zero_based=True, dtype=np.float32)
    except (ValueError, OverflowError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: is no svmlight file ({error}), expected lines of `label index:value ...` with indices in order. "
            "Write it again"
        ) from None
    if not matrix.shape[0]:
        raise InputError(f"{path}: found no line, expected one sample a line, such as `1 3:0.5 17:2`")
    if not np.isfinite(matrix.data).all():
        raise InputError(f"{path}: found a value that is not finite, expected numbers. Write it again")
    return matrix, labels.tolist()


def is_compressed(arrays: Any) -> bool:
    """Whether the arrays of an `.npz` are a sparse matrix."""
    return all(name in arrays for name in COMPRESSED)


def from_compressed(path: Path, arrays: Any) -> Sparse:
    """The sparse matrix of an `.npz` as `scipy.sparse.save_npz` writes it, in compressed rows or columns.

    Raises:
        InputError: another format, or arrays that are no such matrix.
    """
    data, indices, indptr, shape = (arrays[name] for name in COMPRESSED)
    form = arrays["format"].item() if "format" in arrays else "csr"
    form = form.decode() if isinstance(form, bytes) else form
    if form not in ("csr", "csc"):
        raise InputError(f"{path}: found a sparse matrix in the format {form}, expected csr. Save it as `x.tocsr()`")
    try:
        matrix = (csr_array if form == "csr" else csc_array)((data, indices, indptr), shape=tuple(shape.tolist()))
        matrix.check_format(full_check=True)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path}: is no sparse matrix ({error}), expected it as scipy.sparse.save_npz writes it"
        ) from None
    return Sparse(matrix)
