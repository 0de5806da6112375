"""Files that describe images: JSON of any encoding, and the images that they name, on this machine or another."""

from __future__ import annotations

import json
import mmap
import os
import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ....errors import InputError
from ...reading.discovery import files_below, is_image
from ...reading.tables import is_file

FEW = 20  # files of a folder that are looked at to find its format
HEAD = 2**16  # bytes of a file that are looked at
WIDE = (b"\xff\xfe", b"\xfe\xff")  # first bytes of a text in UTF-16
SHOWN = 3  # names in a message


def read_text(file: Path) -> str:
    """The text of a file in UTF-8, with or without a BOM, or in UTF-16 with one.

    Raises:
        InputError: it is neither.
    """
    content = file.read_bytes()
    try:
        return content.decode("utf-16" if content[:2] in WIDE else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8") from None


def read_json(file: Path) -> dict[str, Any]:
    """The object of a JSON file.

    Raises:
        InputError: it is no JSON, or no object.
    """
    try:
        found = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: is not JSON ({error}), expected a whole file. Write it again") from None
    if not isinstance(found, dict):
        raise InputError(f"{file}: holds {type(found).__name__}, expected a JSON object")
    return found


def some_of(folder: Path, *suffixes: str) -> list[Path]:
    """The first few files of a folder with one of these suffixes; none for a file. Raises nothing."""
    found = _listing(folder)
    return sorted(folder / name for suffix in suffixes for name in found.get(suffix, ()))


def folders_in(folder: Path) -> list[Path]:
    """The first few folders in a folder; none for a file. Raises nothing."""
    return sorted(folder / name for name in _listing(folder).get("/", ()))


def _listing(folder: Path) -> dict[str, list[str]]:
    """The first few names in a folder by lower-case suffix; of folders under `/`."""
    try:
        return _listed(folder, folder.stat().st_mtime_ns) if folder.is_dir() else {}
    except OSError:
        return {}


@lru_cache(maxsize=32)
def _listed(folder: Path, _changed: int) -> dict[str, list[str]]:
    """Read once for all formats: a folder may hold a million files."""
    found: dict[str, list[str]] = defaultdict(list)
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                kind = "/" if entry.is_dir() else os.path.splitext(entry.name)[1].lower()
                found[kind].append(entry.name)
                if len(found[kind]) > 10 * FEW:
                    found[kind] = sorted(found[kind])[:FEW]
    return {kind: sorted(names)[:FEW] for kind, names in found.items()}


def head_of(file: Path) -> bytes:
    """The beginning of a file, in UTF-8 if it is a text in UTF-16."""
    with file.open("rb") as opened:
        head = opened.read(HEAD)
    return head.decode("utf-16", errors="replace").encode() if head[:2] in WIDE else head


def mentions(file: Path, *patterns: bytes) -> bool:
    """Whether a file, of any size, holds all these regular expressions."""
    if file.stat().st_size == 0:
        return False
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return all(re.search(pattern, content) is not None for pattern in patterns)


def finder(roots: Iterable[Path], below: Path, within: Path | None = None) -> Callable[[str], Path | None]:
    """A function that finds the file that a description names.

    It takes the path as it stands, relative to each of `roots`. A path that is not there, such as that of another
    machine (`C:\\renders\\images\\0.png`), is found by its last parts below `below`, if exactly one file ends in them.

    Args:
        roots: folders that paths may be relative to, the first ones first.
        below: the folder that all files are in.
        within: the folder that paths with `..` stay in; None for `below`.
    """
    known: dict[str, list[Path]] = defaultdict(list)
    places = list(roots)

    def find(name: str) -> Path | None:
        path = PurePosixPath(name.strip().replace("\\", "/"))
        relative = not path.is_absolute() and ":" not in path.parts[0] if path.parts else False
        for root in places if relative else ():
            file = Path(os.path.normpath(root / path)) if ".." in path.parts else root / path
            if is_file(file) and (".." not in path.parts or file.is_relative_to(os.path.normpath(within or below))):
                return file
        if not known:
            for file in files_below(below):
                known[alike(file.name)].append(file)
        ends = [file for file in known.get(alike(path.name), ()) if is_image(file) or not is_image(Path(path.name))]
        for count in range(1, len(path.parts) + 1):
            if len(ends) < 2:
                break
            tail = tuple(map(alike, path.parts[-count:]))
            ends = [file for file in ends if tuple(map(alike, file.parts[-count:])) == tail]
        return ends[0] if len(ends) == 1 else None

    return find


def alike(name: str) -> str:
    """A name without what systems write differently: upper case, and accents as a character or after it."""
    return unicodedata.normalize("NFC", name).lower()


def say_elsewhere(described: Path, found: Iterable[tuple[str, Path]]) -> None:
    """Warn of images that are in another folder than a relative path says, where only one has that name.

    Args:
        described: the file that names them.
        found: each path, and the image that was found for it.
    """
    moved = [(name, image) for name, image in found if _elsewhere(name, image)]
    if moved:
        name, image = moved[0]
        warnings.warn(
            f"{described}: {len(moved):,} images are not where it says; taken was the only file of that name, such as "
            f"{image} for {name}. Check that these are the images that were labelled",
            stacklevel=4,
        )


def _elsewhere(name: str, image: Path) -> bool:
    path = PurePosixPath(name.strip().replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name:
        return False  # of another machine, where folders have other names
    tail = [alike(part) for part in path.parts]
    return [alike(part) for part in image.parts[-len(tail) :]] != tail


def missing(described: Path, names: list[str], total: int, what: str = "images") -> InputError:
    """The error for images that a description names and that are not there."""
    shown = ", ".join(names[:SHOWN])
    return InputError(
        f"{described}: names {total:,} {what}, of which {len(names):,} are not there, such as {shown}. Copy them "
        "beside it, or remove their entries"
    )


def below(file: Path, root: Path) -> str:
    """The name of a file in a domain: its path below `root`."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def numbers(values: Any, count: int | None = None) -> list[float]:
    """A list of finite numbers. Raise `ValueError` if it is none, or has another length."""
    if not isinstance(values, list | tuple) or (count is not None and len(values) != count):
        raise ValueError(f"found {values!r:.60}, expected {'numbers' if count is None else f'{count} numbers'}")
    found = [float(one) for one in values]
    if not all(abs(one) < float("inf") for one in found):
        raise ValueError(f"found {values!r:.60}, expected finite numbers")
    return found
