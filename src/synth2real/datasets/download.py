"""Download published archives once, with resume and verification, and unpack them safely.

Downloads are kept in the cache folder. It is the environment variable SYNTH2REAL_CACHE, or else the cache folder of the
platform (`~/.cache/synth2real` on Linux).
"""

from __future__ import annotations

import errno
import hashlib
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ..errors import InputError
from ..storage import cache_folder

BLOCK = 2**20  # bytes read at once
PATIENCE = 60  # seconds without a response after which a download fails

DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, struct.error, EOFError, OSError, ValueError,
    LookupError, NotImplementedError, OverflowError, RuntimeError,
)  # fmt: skip
# What the system says of places and names that no archive has; gzip's own errors have no number.
BAD_NAMES = (None, errno.EINVAL, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)

OnProgress = Callable[[int, int | None], None]


def fetch(
    url: str,
    *,
    to: Path | None = None,
    sha256: str | None = None,
    size: int | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Download a file, unless it exists already, and return its path.

    The download is streamed to `NAME.part`, verified and renamed. A file under its final name is therefore always
    complete. An interrupted download keeps the part, and the next call continues from it. A file that fails the
    verification is deleted.

    Args:
        url: http or https.
        to: the file to write. By default it is in the cache folder, with the last part of the URL as its name.
        sha256, size: expected hash (hexadecimal) and size (bytes); None is not checked. The length that the server
            reports is always checked.
        on_progress: called with the number of bytes so far and the total. The total is None if the server does not
            report it.

    Raises:
        InputError: the address cannot be reached, or the file is not the expected one.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url}: expected an address that begins with http:// or https://")
    to = cache_folder() / PurePosixPath(url.partition("?")[0]).name if to is None else to
    if to.is_file():
        _verify(to, to, url, sha256, size)
        return to
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(to.name + ".part")
    try:
        whole = _stream(url, part, on_progress)
    except HTTPError as error:
        raise InputError(f"{url}: the server responded {error.code} {error.reason}. {_by_hand(url, to)}") from None
    except (OSError, HTTPException) as error:
        kept = part.stat().st_size if part.is_file() else 0
        raise InputError(
            f"{url}: the download stopped after {kept} bytes ({error}). Call again to continue it, or: "
            f"{_by_hand(url, to)}"
        ) from None
    _verify(part, to, url, sha256, whole if size is None else size)
    part.replace(to)
    return to


def _by_hand(url: str, to: Path) -> str:
    return f"Download it manually and save it as {to}"


def _stream(url: str, part: Path, on_progress: OnProgress | None) -> int | None:
    """Append the missing bytes to `part`. Return the total length; None if the server does not report it."""
    done = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "synth2real", "Accept-Encoding": "identity"}
    try:
        answer = urlopen(
            Request(url, headers=headers | ({"Range": f"bytes={done}-"} if done else {})), timeout=PATIENCE
        )
    except HTTPError as error:
        if error.code != 416 or not done:
            raise
        part.unlink()  # invalid range: the part is of another file, or already complete but not verified
        return _stream(url, part, on_progress)
    with answer:
        if answer.status != 206:
            done = 0  # the server sends the whole file
        length = answer.headers.get("Content-Length")
        whole = done + int(length) if length is not None else None
        with part.open("ab" if done else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                done += len(block)
                if on_progress is not None:
                    on_progress(done, whole)
    if whole is not None and done < whole:
        raise OSError(f"expected {whole} bytes")
    return whole


def _verify(path: Path, to: Path, url: str, sha256: str | None, size: int | None) -> None:
    """Raise `InputError` if a file is not the expected one. Delete it only if it is a partial download."""
    found, wanted = f"{path.stat().st_size} bytes", f"{size} bytes"
    if size is None or found == wanted:
        if sha256 is None:
            return
        found, wanted = f"sha256 {_digest(path)}", f"sha256 {sha256.lower()}"
        if found == wanted:
            return
    if path != to:
        path.unlink()
    remedy = "It was removed: call again" if path != to else "Remove it and call again"
    raise InputError(f"{path}: is not the expected file of {url}: found {found}, expected {wanted}. {remedy}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path, folder: Path, only: Callable[[str], bool] = lambda name: True) -> Path:
    """Unpack a tar (of any compression) or zip archive. The folder appears only when all files are complete.

    Args:
        archive: the archive to read.
        folder: the folder to create. An existing folder is returned without changes.
        only: selects the files to unpack by their names in the archive.

    Raises:
        InputError: the archive is damaged, contains none of the files, or contains a file with a path outside the
            folder.
    """
    if folder.is_dir():
        return folder
    partial_folder = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    try:
        with _opened(archive) as files:
            count = sum(_unpack(archive, partial_folder, name, read) for name, read in files if only(name))
        if count == 0:
            raise InputError(f"{archive}: contains none of the expected files. Check that it is the published archive")
        partial_folder.replace(folder)
    except InputError:
        raise
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno not in BAD_NAMES:
            raise  # a full disk, for example
        why = str(error).partition("\n")[0].rstrip(":") or type(error).__name__
        raise InputError(f"{archive}: is damaged ({why}). Remove it and download it again") from None
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
    return folder


def _unpack(archive: Path, root: Path, name: str, read: Callable[[], Any]) -> int:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or ":" in parts[0]:
        raise InputError(
            f"{archive}: contains the file '{name}'. Its path is outside {root.parent}. Do not use this archive"
        )
    to = root.joinpath(*parts)
    to.parent.mkdir(parents=True, exist_ok=True)
    with read() as source, to.open("wb") as file:
        shutil.copyfileobj(source, file, BLOCK)
    return 1


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[tuple[str, Callable[[], Any]]]]:
    """Name and open function of each regular file. Links and devices are skipped."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as pack:
            yield ((one.filename, partial(pack.open, one)) for one in pack.infolist() if not one.is_dir())
        return
    with tarfile.open(archive) as tar:
        # In the order of the archive, because each backward seek in a compressed file reads it from the beginning.
        yield ((one.name, partial(tar.extractfile, one)) for one in tar if one.isreg())
