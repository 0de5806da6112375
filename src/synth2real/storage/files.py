"""Files that are written whole or not at all. Every file that the library writes goes through `whole`."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WriteError

if TYPE_CHECKING:
    from torch import Tensor

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A hidden file beside `path` to write to, with the same suffix. It replaces `path` when the context ends.

    So `path` is complete, or stays as it was, also if the process is killed. After an error no hidden file is left.

    Raises:
        WriteError: the disk is full, the folder is read-only or has vanished.
    """
    partial = path.with_name(f".partial.{path.name}")
    try:
        with writing(path):
            yield partial
            partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path` to write to. It replaces `path`, with all that is in it, when the context ends.

    After an error `path` is as it was, and no hidden folder is left.

    Raises:
        WriteError: as `whole`.
    """
    partial, earlier = (path.with_name(f".{what}.{path.name}") for what in ("partial", "earlier"))
    with writing(path):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    try:
        yield partial
        with writing(path):
            shutil.rmtree(earlier, ignore_errors=True)
            if path.exists():
                path.rename(earlier)
            partial.rename(path)
    except BaseException:
        if earlier.exists() and not path.exists():
            earlier.rename(path)
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an error of the operating system into a `WriteError` that names `path` and what to do."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise failed(path, error) from None


def make_folder(path: Path) -> None:
    """Create a folder and those above it, if they do not exist. Raise `WriteError` if that is not possible."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def check_writable(path: Path) -> None:
    """Raise the `WriteError` that writing a file or folder would raise. Nothing is written."""
    place = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    if not place.is_dir() and place != path.absolute():
        raise failed(path, OSError(errno.ENOTDIR, ""))
    if not os.access(place, os.W_OK):
        raise failed(path, OSError(errno.EACCES, ""))


def failed(path: Path, error: OSError) -> WriteError:
    """The `WriteError` for an error of the operating system."""
    reason = os.strerror(error.errno) if error.errno else str(error)  # libraries put their own words around it
    if error.errno in FULL:
        mend = "Free space on the disk, or choose another place"
    elif error.errno in CLOSED:
        mend = "Choose a place that you can write to"
    elif error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        mend = "A file is where a folder should be, or a folder where a file should be: choose another place"
    elif error.errno == errno.ENOENT:
        mend = "Its folder has vanished: check that the disk is still mounted"
    else:
        mend = "Check the disk"
    return WriteError(f"{path}: cannot be written: {reason[:1].lower()}{reason[1:]}. {mend}", error.errno)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all; see `whole`. Names that are not UTF-8 stay as they are."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors on any device as safetensors, whole or not at all; see `whole`."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with whole(path) as partial:
        try:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial)
        except SafetensorError as error:  # it has the system's error only as text
            raise _system_error(str(error)) from None


def _system_error(text: str) -> OSError:
    """An error of the operating system from the text of Rust: `... No space left on device (os error 28)`."""
    number = text.rpartition("(os error ")[2].partition(")")[0]
    return OSError(int(number), os.strerror(int(number))) if number.isdecimal() else OSError(text)


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file, whole or not at all: after an error the file is as it was.

    Raises:
        WriteError: as `whole`.
    """
    with writing(path), path.open("ab", buffering=0) as file:
        before = file.tell()
        data = f"{line}\n".encode(errors="surrogateescape")
        try:
            written = file.write(data)
            if written != len(data):  # the last bytes of a disk take a part; the rest says why not more
                file.write(data[written:])
        except OSError:
            file.truncate(before)
            if before == 0:
                path.unlink()
            raise


def copied(file: Path, path: Path) -> None:
    """Copy the contents of a file, whole or not at all; see `whole`."""
    with whole(path) as partial:
        shutil.copyfile(file, partial)
