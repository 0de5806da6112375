"""`.npz` files: arrays that are read on access. Whatever is wrong with a file is an `InputError` that names it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from ...errors import InputError
from ..domains import MOST

ZIP = b"PK"  # first bytes of an .npz
LARGE, RATIO = 2**30, 100  # an archive that unpacks to more bytes, and to more times its size, is refused


class Arrays(Mapping[str, NDArray[Any]]):
    """The arrays of an `.npz` by name. Each is read on access, so damage shows only then and raises `InputError`."""

    def __init__(self, path: Path, archive: NpzFile) -> None:
        self.path, self._archive = path, archive

    def __getitem__(self, name: str) -> NDArray[Any]:
        try:
            found = self._archive[name]
        except Exception as error:  # damaged archives and headers raise errors of any kind
            raise _unreadable(self.path, error) from None
        if not isinstance(found, np.ndarray):  # numpy returns the bytes of a member that is no array
            raise _unreadable(self.path, ValueError(f"'{name}' is no array"))
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._archive.files

    def __iter__(self) -> Iterator[str]:
        return iter(self._archive.files)

    def __len__(self) -> int:
        return len(self._archive.files)

    def column(self, name: str) -> NDArray[Any]:
        """The array, with at least one axis."""
        return np.atleast_1d(self[name])

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The array as float64, with at least one axis.

        Raises:
            InputError: it does not contain real numbers, or one is infinite or beyond the range of float32.
        """
        found = self.column(name)
        if not (np.issubdtype(found.dtype, np.number) or found.dtype == bool) or np.iscomplexobj(found):
            raise InputError(f"{self.path}: '{name}' of {found.dtype}, expected real numbers")
        values = found.astype(np.float64)
        if (np.abs(values) > MOST).any():
            raise InputError(
                f"{self.path}: '{name}' contains {values[np.abs(values) > MOST][0]}, expected finite numbers of at "
                f"most {MOST:.1e}"
            )
        return values


@contextmanager
def arrays_of(path: Path) -> Iterator[Arrays]:
    """The arrays of an `.npz`.

    Raises:
        InputError: the file is not an `.npz`, is damaged, or unpacks to a multiple of its size and of what fits.
    """
    try:
        archive = np.load(path, allow_pickle=False)
    except Exception as error:  # as above
        raise _unreadable(path, error) from None
    if not isinstance(archive, NpzFile):
        raise _unreadable(path, TypeError("a single array"))
    with archive:
        packed = path.stat().st_size
        unpacked = sum(member.file_size for member in archive.zip.infolist()) if archive.zip else 0
        if unpacked > max(LARGE, RATIO * packed):
            raise InputError(
                f"{path}: unpacks from {packed / 2**20:.1f} to {unpacked / 2**20:.0f} MiB, expected at most {RATIO} "
                "times its size. Write it without compression (numpy.savez) if it is yours"
            )
        yield Arrays(path, archive)


def _unreadable(path: Path, error: Exception) -> InputError:
    if os.access(path, os.R_OK):
        with path.open("rb") as file:
            if file.read(len(ZIP)) != ZIP:
                return InputError(
                    f"{path}: is not an .npz file, expected arrays written by numpy.savez. Write it again"
                )
    objects = "allow_pickle" in str(error)  # numpy's advice to set allow_pickle is for programmers, and it is unsafe
    why = "an array of Python objects" if objects else str(error) or type(error).__name__
    return InputError(f"{path}: unreadable .npz ({why}), expected arrays of numbers. Write it again")
