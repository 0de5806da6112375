"""Fetching published archives once: streamed, resumed, verified, and unpacked so that nothing lands outside.

What is fetched stays in the cache folder: the environment variable SYNTH2REAL_CACHE, else the platform's own
(`~/.cache/synth2real` on Linux).
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import shutil
import sys
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

BLOCK = 2**20  # bytes read at once
PATIENCE = 60  # seconds without an answer after which a download ends

DAMAGED = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)

OnProgress = Callable[[int, int | None], None]


def cache_folder() -> Path:
    """Where downloads are kept; it need not exist yet."""
    if "SYNTH2REAL_CACHE" in os.environ:
        return Path(os.environ["SYNTH2REAL_CACHE"])
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "synth2real"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "synth2real" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "synth2real"


def fetch(
    url: str,
    *,
    to: Path | None = None,
    sha256: str | None = None,
    size: int | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """A file from the web, downloaded where it is not there yet.

    It is streamed to `NAME.part`, verified, and renamed, so that a file under its own name is always whole. A download
    that broke off leaves the part, from which the next call goes on; one that is not what it should be is removed.

    Args:
        url: http or https.
        to: the file to write; by default in the cache folder, under the URL's last part.
        sha256, size: what the file must have, hexadecimal and in bytes; not checked where None. The length that the
            server names is always checked.
        on_progress: called with the bytes so far, and of the whole where the server says.

    Raises:
        InputError: the address is not to be reached, or what came is not the file expected.
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
        raise InputError(f"{url}: the server answers {error.code} {error.reason}. {_by_hand(url, to)}") from None
    except (OSError, HTTPException) as error:
        kept = part.stat().st_size if part.is_file() else 0
        raise InputError(
            f"{url}: the download broke off after {kept} bytes ({error}). Call again to go on from there, or: "
            f"{_by_hand(url, to)}"
        ) from None
    _verify(part, to, url, sha256, whole if size is None else size)
    part.replace(to)
    return to


def _by_hand(url: str, to: Path) -> str:
    return f"Fetch it by hand and put it at {to}"


def _stream(url: str, part: Path, on_progress: OnProgress | None) -> int | None:
    """Add to `part` what is missing of it; the length of the whole, where the server says."""
    done = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "synth2real", "Accept-Encoding": "identity"}
    try:
        answer = urlopen(
            Request(url, headers=headers | ({"Range": f"bytes={done}-"} if done else {})), timeout=PATIENCE
        )
    except HTTPError as error:
        if error.code != 416 or not done:
            raise
        part.unlink()  # no such range: it is of another file, or whole and in doubt
        return _stream(url, part, on_progress)
    with answer:
        if answer.status != 206:
            done = 0  # the server sends it from the beginning
        length = answer.headers.get("Content-Length")
        whole = done + int(length) if length is not None else None
        with part.open("ab" if done else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                done += len(block)
                if on_progress is not None:
                    on_progress(done, whole)
    if whole is not None and done < whole:
        raise OSError(f"{whole} bytes were announced")
    return whole


def _verify(path: Path, to: Path, url: str, sha256: str | None, size: int | None) -> None:
    """Raise where a file is not the one expected; a part is removed, a file of the user's is not."""
    found, wanted = f"{path.stat().st_size} bytes", f"{size} bytes"
    if size is None or found == wanted:
        if sha256 is None:
            return
        found, wanted = f"sha256 {_digest(path)}", f"sha256 {sha256.lower()}"
        if found == wanted:
            return
    if path != to:
        path.unlink()
    mend = "It was removed: call again" if path != to else "Remove it and call again"
    raise InputError(f"{path}: is not what {url} should give: found {found}, expected {wanted}. {mend}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path, folder: Path, only: Callable[[str], bool] = lambda name: True) -> Path:
    """The files of a tar (of any compression) or zip archive, in a folder that appears when all are there.

    Args:
        archive: to read.
        folder: to make; what is there already is returned as it is.
        only: which files to take, by their name in the archive.

    Raises:
        InputError: the archive is damaged, holds none of the files, or one that would land outside of the folder.
    """
    if folder.is_dir():
        return folder
    rising = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(rising, ignore_errors=True)
    try:
        with _opened(archive) as files:
            count = sum(_unpack(archive, rising, name, read) for name, read in files if only(name))
        if count == 0:
            raise InputError(f"{archive}: holds none of the files expected. Is it the archive as published?")
        rising.replace(folder)
    except DAMAGED as error:
        why = str(error).partition("\n")[0].rstrip(":")
        raise InputError(f"{archive}: is damaged ({why}). Remove it and fetch it again") from None
    finally:
        shutil.rmtree(rising, ignore_errors=True)
    return folder


def _unpack(archive: Path, root: Path, name: str, read: Callable[[], Any]) -> int:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or ":" in parts[0]:
        raise InputError(
            f"{archive}: holds the file '{name}', which would land outside of {root.parent}. Do not use it"
        )
    to = root.joinpath(*parts)
    to.parent.mkdir(parents=True, exist_ok=True)
    with read() as source, to.open("wb") as file:
        shutil.copyfileobj(source, file, BLOCK)
    return 1


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[tuple[str, Callable[[], Any]]]]:
    """Name and opener of each regular file: links and devices are passed over."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as pack:
            yield ((one.filename, partial(pack.open, one)) for one in pack.infolist() if not one.is_dir())
        return
    with tarfile.open(archive) as tar:
        # In the archive's own order: to seek in a compressed file is to read it from the beginning.
        yield ((one.name, partial(tar.extractfile, one)) for one in tar if one.isreg())
