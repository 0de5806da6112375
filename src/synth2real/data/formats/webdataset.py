"""Webdataset shards as records: `.tar` files with `000001.png` and its labels `000001.cls` and `000001.json`.

`load` reads them where they lie, see `data.shards`; the records are for `convert` and `check`. The JSON holds the
image-level labels by column, and `instances`, each with `category`, `box`, `points` and `mask` (as COCO writes it), as
`described` writes them.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...storage import make_folder, whole
from ..shards.loading import PARQUET, is_sharded, raising, shard_files
from ..shards.rewriting import add_member
from ..shards.tar import JSON, Sample, samples_of
from .base import Format
from .coco import mask_of
from .record import Instance, Packed, Point, Record, Value, image_bytes
from .shared.objects import packed_mask

SHARD = 1000  # samples of a shard
INSTANCES = "instances"
SUFFIXES = {"jpeg": "jpg"}  # of fields that have one name


def found(path: Path) -> bool:
    """Whether it is an archive, or a folder of archives alone."""
    return is_sharded(path) and not any(file.name.lower().endswith(PARQUET) for file in _files(path))


def _files(path: Path) -> list[Path]:
    return list(path.iterdir()) if path.is_dir() else [path]


def read(path: Path) -> Iterator[Record]:
    """The samples of all shards, in order.

    Raises:
        InputError: a shard is damaged, or a sample has no image, or several.
    """
    for shard in shard_files(path, raising):
        for sample in samples_of(shard, raising):
            image = sample.image
            values = {name: _value(sample.value(name)) for name in sample.columns if name != INSTANCES}
            instances = tuple(instances_of(sample.described.get(INSTANCES, []), f"{shard}: {sample.key}"))
            yield Record(f"{shard.stem}/{image.name}", Entry(sample), None, values, instances, described=shard)


class Entry(Packed):
    """The image of a sample."""

    def __init__(self, sample: Sample) -> None:
        part = sample.image
        super().__init__(f"{sample.archive.path}: {part.name}", Path(part.name).suffix.lower())
        self.sample, self.part = sample, part

    def packed(self) -> bytes:
        return self.sample.archive.read(self.part.start, self.part.length)


def _value(value: Any) -> Value:
    """A label, as text or number; other things in a JSON are none."""
    return value if isinstance(value, str | int | float | None) else None


def instances_of(held: Any, where: str) -> Iterator[Instance]:
    """The instances that `described` has written, as plain data; `where` they stand, for messages."""
    try:
        for one in held:
            points = {name: Point(*point) for name, point in one.get("points", {}).items()}
            box = tuple(map(float, one["box"])) if one.get("box") is not None else None
            mask = mask_of(one.get("mask"), None)
            yield Instance(one.get("category"), box, mask, points, ignored=bool(one.get("ignored")))  # type: ignore[arg-type]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{where}: the {INSTANCES} are no list of objects with category, box and points ({error}). Mend them"
        ) from None


def described(record: Record) -> dict[str, Any]:
    """The labels of a record as plain data: its columns, and its instances."""
    instances = [
        {
            "category": one.category,
            **({} if one.box is None else {"box": list(one.box)}),
            **({"points": {name: list(point) for name, point in one.points.items()}} if one.points else {}),
            **({} if one.mask is None else {"mask": packed_mask(one.mask, *record.sides)}),
            **({"ignored": True} if one.ignored else {}),
        }
        for one in record.instances
    ]
    return {**record.values, **({INSTANCES: instances} if instances else {})}


def key_of(name: str) -> str:
    """The key of a sample: the name of its image without its suffix, and without dots, which end a key."""
    folder, _, file = name.rpartition("/")
    stem = file.rpartition(".")[0] or file
    return f"{folder}/{stem.replace('.', '_')}".lstrip("/")


def write(records: Iterable[Record], out: Path, shard: int = SHARD) -> int:
    """Write records as shards `000000.tar` and so on, each whole or not at all.

    Args:
        records: which may be more than memory holds. Image files are written as they are.
        out: folder, which is created if it does not exist.
        shard: samples of a shard.

    Returns:
        The number of samples.

    Raises:
        InputError: two records have one key.
        WriteError: the disk is full, or the folder cannot be written.
    """
    return in_shards(records, out, ".tar", shard, write_shard)


def in_shards(
    records: Iterable[Record], out: Path, suffix: str, shard: int, write_one: Callable[[list[Record], Path], None]
) -> int:
    """Write records in files of `shard` records each, by `write_one`; see `write`."""
    make_folder(out)
    rows, count, number = iter(records), 0, 0
    while part := list(islice(rows, shard)):
        with whole(out / f"{number:06d}{suffix}") as partial:
            write_one(part, partial)
        count, number = count + len(part), number + 1
    return count


def write_shard(records: Iterable[Record], path: Path) -> None:
    """Write one shard."""
    with tarfile.open(path, "w") as archive:
        for fields in _fields(records):
            key = fields.pop("__key__")
            for field, content in fields.items():
                add_member(archive, f"{key}.{field}", content)


def _fields(records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    known: set[str] = set()
    for record in records:
        key, (content, suffix) = key_of(record.name), packed(record)
        if key in known:
            raise InputError(
                f"{record.name}: the key '{key}' is that of another image, too, expected different ones. Rename one: "
                "the suffix and dots are no part of a key"
            )
        known.add(key)
        field = suffix.removeprefix(".")
        labels = described(record)
        yield {"__key__": key, SUFFIXES.get(field, field): content, **_labels(labels)}


def packed(record: Record) -> tuple[bytes, str]:
    """The bytes of an image file and its suffix. Raise `InputError` if it cannot be read."""
    try:
        return image_bytes(record.image)
    except (OSError, ValueError) as error:
        raise InputError(f"{record.image}: cannot be read ({error}), expected an image. Restore or remove it") from None


def _labels(labels: Mapping[str, Any]) -> dict[str, bytes]:
    """The fields of the labels: all of them as JSON, and a class that is a number also as `cls`, which holds such."""
    if not labels:
        return {}
    name = str(labels.get("label", labels.get("class")))
    known = {"cls": name.encode()} if name.isdecimal() else {}
    return {**known, JSON: json.dumps(labels, ensure_ascii=False).encode()}


WEBDATASET = Format("webdataset", "webdataset shards", found, read)
