"""Content hashes: what a file or a folder holds, wherever it lies.

The hash of a file is that of its bytes. The hash of a folder is that of the names and hashes of all that is in it, so
it changes with any byte and any name below the folder, and not with its place or its times.

In the folder of an output, files that have a record of their own were written later: they are no part of it.

Every byte is read, in several threads. A folder that was read before is not read again while the name, size, time of
change and inode of each of its files are the same: its hash is kept in the cache folder of the user.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from ..errors import WriteError
from .cache import cache_folder
from .files import make_folder, write_text

OnBytes = Callable[[int, int], None]  # files and bytes that have been read so far

BITS = 160  # of a hash
THREADS = 8
BATCH = 64  # files that a thread reads before it says so
KEPT_FILES, KEPT_BYTES = 1000, 2**24  # from these on, the hash of a folder is kept
SETTLED = 2.0  # seconds; a file that changed within them may change again without another time of change
# What a command writes beside the content: how it was made, what was said, and what is made from it later.
PROVENANCE = "provenance.json"
BESIDE = (PROVENANCE, "config.yaml", "log.txt", ".html", ".onnx", ".pt2")


@dataclass(frozen=True)
class Content:
    """What a file or a folder holds.

    Args:
        hash: of the content, 40 hexadecimal digits.
        files: number of files.
        bytes: in all of them.
    """

    hash: str
    files: int
    bytes: int

    @classmethod
    def joined(cls, named: list[tuple[str, Content]]) -> Self:
        """The content of a folder, from the names and contents of all that is in it."""
        text = json.dumps(sorted((name, one.hash) for name, one in named))
        return cls(_hashed(text), sum(one.files for _, one in named), sum(one.bytes for _, one in named))


@dataclass(frozen=True)
class _Listed:
    """A file of a folder, by what changes with its content."""

    name: str
    bytes: int
    changed: int
    inode: int


def content_of(path: Path, on_bytes: OnBytes | None = None) -> Content:
    """The content of a file or a folder.

    Hidden files are left out, what commands write beside the content (`BESIDE`), and what they wrote into the folder of
    an output later. Links are followed, but not into a folder that they are in.

    Args:
        path: exists.
        on_bytes: called while files are read.

    Raises:
        OSError: a file cannot be read, or has vanished.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        reader = _Reader(pool, on_bytes)
        return reader.folder(path, ()) if path.is_dir() else reader.file(path)


def size_of(path: Path, most: int) -> tuple[int, int]:
    """Number of files and of bytes in the content of a file or a folder, without reading it; it ends above `most`."""
    if not path.is_dir():
        return 1, path.stat().st_size
    count = total = 0
    for listed in _walked(path, ()):
        count, total = count + len(listed), total + sum(one.bytes for one in listed)
        if count > most:
            break
    return count, total


def _walked(folder: Path, above: tuple[str, ...]) -> Iterator[list[_Listed]]:
    """The files of a folder, and of each of those below it."""
    listed, below = _entries(folder, above)
    yield listed
    for one in below:
        yield from _walked(one, (*above, os.path.realpath(folder)))


def _entries(folder: Path, above: tuple[str, ...]) -> tuple[list[_Listed], list[Path]]:
    """The files and the subfolders of a folder that count, by name."""
    files, folders = [], []
    records: set[str] = set()  # names with a record; empty for the folder itself
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.name.endswith(PROVENANCE):
                records.add(entry.name.removesuffix(PROVENANCE).removesuffix("."))
            if entry.is_dir():
                if os.path.realpath(entry.path) not in (*above, os.path.realpath(folder)):
                    folders.append(Path(entry.path))
            elif entry.is_file() and not entry.name.endswith(BESIDE):
                state = entry.stat()
                files.append(_Listed(entry.name, state.st_size, state.st_mtime_ns, state.st_ino))
    if "" in records:
        files = [one for one in files if one.name not in records]
    return sorted(files, key=lambda one: one.name), sorted(folders)


class _Reader:
    """Reads files in threads, and counts what has been read."""

    def __init__(self, pool: ThreadPoolExecutor, on_bytes: OnBytes | None) -> None:
        self.pool, self.on_bytes = pool, on_bytes
        self.read_files = self.read_bytes = 0

    def file(self, file: Path) -> Content:
        """The content of a file."""
        state = file.stat()
        listed = [_Listed(file.name, state.st_size, state.st_mtime_ns, state.st_ino)]
        return self._kept(file, listed, lambda: self._read(file.parent, listed)[0])

    def folder(self, folder: Path, above: tuple[str, ...]) -> Content:
        """The content of a folder with those below it. Empty ones do not count."""
        listed, below = _entries(folder, above)
        named = []
        if listed:
            named.append(("", self._kept(folder, listed, lambda: _joined(listed, self._read(folder, listed)))))
        for one in below:
            content = self.folder(one, (*above, os.path.realpath(folder)))
            if content.files:
                named.append((f"{one.name}/", content))
        return Content.joined(named)

    def _kept(self, place: Path, listed: list[_Listed], read: Callable[[], str]) -> Content:
        """The content of these files; if there are many, their hash is kept under `place`."""
        size = sum(one.bytes for one in listed)
        kept = _Kept(place, listed) if len(listed) >= KEPT_FILES or size >= KEPT_BYTES else None
        digest = None if kept is None else kept.read()
        if digest is None:
            digest = read()
            if kept is not None:
                kept.write(digest)
        return Content(digest, len(listed), size)

    def _read(self, folder: Path, listed: list[_Listed]) -> list[str]:
        """The hash of the bytes of each file."""
        batches = [listed[i : i + BATCH] for i in range(0, len(listed), BATCH)]
        found: list[str] = []
        for batch, hashes in zip(
            batches, self.pool.map(lambda some: [_of_bytes(folder / one.name) for one in some], batches), strict=True
        ):
            found += hashes
            self.read_files += len(batch)
            self.read_bytes += sum(one.bytes for one in batch)
            if self.on_bytes is not None:
                self.on_bytes(self.read_files, self.read_bytes)
        return found


class _Kept:
    """The kept hash of the files of a folder, under all that changes with them."""

    def __init__(self, place: Path, listed: list[_Listed]) -> None:
        self.file = cache_folder() / "content" / f"{_hashed(os.path.abspath(place))}.json"
        self.newest = max(one.changed for one in listed) / 1e9
        self.key = _hashed(json.dumps([list(asdict(one).values()) for one in listed]))

    def read(self) -> str | None:
        """The hash; None if it is not kept, or the files have changed."""
        with suppress(OSError, ValueError, AttributeError):
            found = json.loads(self.file.read_text(encoding="utf-8"))
            if found.get("of") == self.key:
                return str(found["hash"])
        return None

    def write(self, digest: str) -> None:
        """Keep the hash. Without a place to write to, or of files that have just changed, nothing is kept."""
        if time.time() - self.newest < SETTLED:
            return
        with suppress(WriteError):
            make_folder(self.file.parent)
            write_text(self.file, json.dumps({"of": self.key, "hash": digest}) + "\n")


def _joined(listed: list[_Listed], digests: list[str]) -> str:
    return _hashed(json.dumps([(one.name, digest) for one, digest in zip(listed, digests, strict=True)]))


def _of_bytes(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=BITS // 8)).hexdigest()


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=BITS // 8).hexdigest()
