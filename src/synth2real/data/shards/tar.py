"""Webdataset shards: `.tar` files whose members are grouped by key, as in `000001.png`, `000001.cls`, `000001.json`.

The key of a member is its path up to the first dot of its file name, the rest is its field. Members of one key follow
one another.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..names import Names
from ..reading.discovery import SYSTEM, image_suffixes
from .members import RUN, RUN_BYTES, Opened, Shard

KEY = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)")
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}  # first bytes of a file
JSON = "json"
Skip = Callable[[InputError], None]  # what is done with a fault: raise it, or note it


@dataclass(frozen=True)
class Part:
    """One member of a sample: its name in the archive, and where its bytes lie."""

    name: str
    start: int
    length: int


@dataclass
class Sample:
    """The members of one key.

    Args:
        archive: the shard.
        key: of all members.
        parts: the members by field, in lower case.
    """

    archive: Opened
    key: str
    parts: dict[str, Part] = field(default_factory=dict)
    _json: dict[str, Any] | None = None

    def bytes_of(self, part: str) -> bytes:
        """The content of a field."""
        found = self.parts[part]
        return self.archive.read(found.start, found.length)

    @property
    def image(self) -> Part:
        """The member with the image.

        Raises:
            InputError: there is none, or several.
        """
        kinds = image_suffixes()
        found = [one for one in self.parts if f".{one}" in kinds]
        found = found or [one for one in self.parts if f".{one.rpartition('.')[2]}" in kinds]
        if len(found) == 1:
            return self.parts[found[0]]
        held = ", ".join(part.name for part in self.parts.values())
        what = f"{len(found)} images" if found else "no image"
        raise InputError(
            f"{self.archive.path}: the sample '{self.key}' has {what} ({held}), expected one, such as {self.key}.png. "
            "Write one image for each key, or pass --skip-bad (skip_bad=True)"
        )

    @property
    def described(self) -> dict[str, Any]:
        """The object of the field `json`; empty without one.

        Raises:
            InputError: it is no JSON object.
        """
        if self._json is None:
            self._json = self._parsed() if JSON in self.parts else {}
        return self._json

    def _parsed(self) -> dict[str, Any]:
        try:
            found = json.loads(self.bytes_of(JSON))
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{self.archive.path}: {self.parts[JSON].name} is not JSON ({error}), expected an object. Mend it"
            ) from None
        if not isinstance(found, dict):
            raise InputError(f"{self.archive.path}: {self.parts[JSON].name} holds {found!r:.60}, expected an object")
        return found

    def value(self, column: str) -> Any:
        """A value of the object, or the text of the field of that name; None if there is neither."""
        if column in self.described:
            return self.described[column]
        if column.lower() not in self.parts or column.lower() == JSON:
            return None
        return self.bytes_of(column.lower()).decode("utf-8", "replace").strip()

    def has(self, columns: Sequence[str]) -> bool:
        """Whether `value` knows all of these names."""
        return all(one in self.described or (one.lower() in self.parts and one.lower() != JSON) for one in columns)

    @property
    def columns(self) -> list[str]:
        """Names that `value` knows, for messages."""
        images = image_suffixes()
        own = [one for one in self.parts if one != JSON and f".{one.rpartition('.')[2]}" not in images]
        return [*self.described, *own]


class TarShard(Shard):
    """The images of a webdataset shard.

    Args:
        path: of the archive.
        names: of the members with images.
        starts, lengths: (N,) int64, where their bytes lie.
        stays: whether the archive stays open.
    """

    def __init__(
        self, path: Path, names: Names, starts: NDArray[np.int64], lengths: NDArray[np.int64], stays: bool = True
    ) -> None:
        self.path, self.names, self.starts, self.lengths = path, names, starts, lengths
        self.archive = Opened(path, stays)

    def __len__(self) -> int:
        return len(self.starts)

    def packed(self, place: int) -> bytes:
        length = int(self.lengths[place])
        found = self.archive.read(int(self.starts[place]), length)
        if len(found) < length:
            raise ValueError("the shard is shorter than it was")
        return found

    def name(self, place: int) -> str:
        return self.names[place]

    def runs(self) -> list[int]:
        count = max(1, min(RUN, RUN_BYTES // max(1, int(self.lengths.mean()) if len(self) else 1)))
        return [min(count, len(self) - start) for start in range(0, len(self), count)]

    def bytes_of_run(self) -> int:
        return 0  # each image is read on its own


def samples_of(path: Path, skip: Skip) -> Iterator[Sample]:
    """The samples of a shard, in order.

    Args:
        path: of the shard.
        skip: takes the fault of a damaged shard, and that of a sample with two members of one field. If it does not
            raise it, the samples before the damage are yielded, and the sample is left out.

    Raises:
        InputError: the file is no archive, or is compressed as a whole.
    """
    archive = Opened(path)
    sample, doubled = Sample(archive, ""), False
    for part in _parts(path, skip):
        if part is None:
            return  # the last sample may lack a member
        found = KEY.fullmatch(part.name)
        if found is None or _of_system(part.name):
            continue
        key, column = found[1], found[2].lower()
        if key != sample.key:
            if sample.parts and not doubled:
                yield sample
            sample, doubled = Sample(archive, key), False
        if column in sample.parts and not doubled:
            skip(
                InputError(
                    f"{path}: the sample '{key}' has two members for '{column}', {sample.parts[column].name} and "
                    f"{part.name}, expected one. Write each key once, or pass --skip-bad (skip_bad=True)"
                )
            )
            doubled = True
        sample.parts[column] = part
    if sample.parts and not doubled:
        yield sample


def _of_system(name: str) -> bool:
    return any(part.startswith(".") or part in SYSTEM for part in name.split("/"))


def _parts(path: Path, skip: Skip) -> Iterator[Part | None]:
    """The files of an archive; None where it is damaged, and the fault was not raised."""
    with path.open("rb") as file:
        begin = file.read(6)
    packed = next((name for magic, name in PACKED.items() if begin.startswith(magic)), None)
    if packed is not None:
        raise InputError(
            f"{path}: is compressed as a whole ({packed}), so its members cannot be read one by one, expected a plain "
            ".tar, whose images are compressed themselves. Unpack it, for example with gunzip"
        )
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep every one
                if member.isreg() and not member.issparse():
                    yield Part(member.name.removeprefix("./"), member.offset_data, member.size)
            end = Opened(path).read(archive.offset, tarfile.BLOCKSIZE)
            if end != tarfile.NUL * tarfile.BLOCKSIZE:
                raise tarfile.ReadError(f"no end of the archive, but other bytes at {archive.offset}")
    except (tarfile.TarError, EOFError, OSError) as error:
        skip(
            InputError(
                f"{path}: is no whole tar archive ({error}), expected one with an end. Was its writer interrupted? "
                "Write it again, or pass --skip-bad (skip_bad=True) to take the samples before the damage"
            )
        )
        yield None


def index_of(path: Path, skip: Skip, take: Callable[[str, Sample], None] | None, stays: bool) -> TarShard:
    """Where the images of a shard lie.

    Args:
        path: of the shard.
        skip: as in `samples_of`; also for samples without one image.
        take: called for each sample with the name of its image, for its labels.
        stays: whether the archive stays open.
    """
    spans: list[NDArray[np.int64]] = []
    part: list[tuple[int, int]] = []

    def names() -> Iterator[str]:
        for sample in samples_of(path, skip):
            try:
                image = sample.image
            except InputError as error:
                skip(error)
                continue
            if take is not None:
                take(image.name, sample)
            part.append((image.start, image.length))
            if len(part) == RUN:
                spans.append(np.array(part))
                part.clear()
            yield image.name

    found = Names.of(names())
    every = np.concatenate([*spans, np.array(part, np.int64).reshape(-1, 2)])
    return TarShard(path, found, every[:, 0].copy(), every[:, 1].copy(), stays)
