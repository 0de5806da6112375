"""Shards with other images: everything else that they hold, keys, labels and columns, stays as it is."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...storage import whole
from .loading import PARQUET, raising
from .table import Table, parquet
from .tar import samples_of

Images = Iterator[tuple[str, bytes]]  # the name of an image in its shard, and the bytes of its file


def rewrite(shard: Path, to: Path, images: Images) -> None:
    """Write a shard again with other images. It is written whole or not at all.

    Args:
        shard: the shard.
        to: the file to write.
        images: the new images in the order of the shard, named as in `Members.name`. Samples and rows of others are
            left out. The format of an image is that of its name; in Parquet it is PNG.

    Raises:
        WriteError: the disk is full, or the folder cannot be written.
    """
    with whole(to) as partial:
        if shard.name.lower().endswith(PARQUET):
            _rewrite_table(shard, partial, images)
        else:
            _rewrite_archive(shard, partial, images)


def only(shard: Path, kept: Sequence[bool]) -> None:
    """Leave samples of a shard out. It is written whole, or stays as it is; a second call finds it done.

    Args:
        shard: to write again.
        kept: for each sample whether it stays; some do not.

    Raises:
        InputError: the shard has another number of samples.
        WriteError: as `rewrite`.
    """
    packed = shard.name.lower().endswith(PARQUET)
    count = sum(Table(shard).groups()) if packed else sum(1 for _ in samples_of(shard, raising))
    if count == sum(kept):
        return
    if count != len(kept):
        raise InputError(
            f"{shard}: has {count} samples, expected the {len(kept)} that were written. Begin anew with --overwrite"
        )
    with whole(shard) as partial:
        if packed:
            _only_rows(shard, partial, kept)
        else:
            _only_samples(shard, partial, kept)


def _only_samples(shard: Path, to: Path, kept: Sequence[bool]) -> None:
    with tarfile.open(to, "w") as archive:
        for sample, stays in zip(samples_of(shard, raising), kept, strict=True):
            for part in sample.parts.values() if stays else ():
                add_member(archive, part.name, sample.archive.read(part.start, part.length))


def _only_rows(shard: Path, to: Path, kept: Sequence[bool]) -> None:
    arrow, file, start = import_module("pyarrow"), Table(shard).file, 0
    with parquet(shard).ParquetWriter(to, file.schema_arrow) as writer:
        for i in range(file.num_row_groups):
            group = file.read_row_group(i)
            part = group.filter(arrow.array(kept[start : start + len(group)], arrow.bool_()))
            start += len(group)
            if len(part):
                writer.write_table(part)


def _rewrite_archive(shard: Path, to: Path, images: Images) -> None:
    with tarfile.open(to, "w") as archive:
        name, content = next(images, ("", b""))
        for sample in samples_of(shard, lambda error: None):  # loading has said what is wrong
            try:
                image = sample.image
            except InputError:
                continue
            if image.name != name:
                continue
            for part in sample.parts.values():
                add_member(
                    archive, part.name, content if part is image else sample.archive.read(part.start, part.length)
                )
            name, content = next(images, ("", b""))


def add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file. All have one date and no owner, so that the same content gives the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _rewrite_table(shard: Path, to: Path, images: Images) -> None:
    arrow, table = import_module("pyarrow"), Table(shard)
    column, start = table.images, 0
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    schema = table.file.schema_arrow
    place = schema.get_field_index(column)
    schema = schema.set(place, arrow.field(column, kind))
    following = next(images, None)
    with parquet(shard).ParquetWriter(to, schema) as writer:
        for i in range(table.file.num_row_groups):
            group, rows, cells = table.file.read_row_group(i), [], []
            while following is not None and int(following[0]) < start + len(group):
                rows.append(int(following[0]) - start)
                cells.append({"bytes": following[1], "path": f"{following[0]}.png"})
                following = next(images, None)
            start += len(group)
            made = group.take(arrow.array(rows, arrow.int64())).set_column(
                place, schema.field(place), arrow.array(cells, kind)
            )
            writer.write_table(made.cast(schema) if made.schema != schema else made)


def by_shard(names: Any) -> Iterator[tuple[str, int, int]]:
    """The shards of images in order, each with the places of its first image and behind its last one.

    Args:
        names: of the images, as in `Members.name`.
    """
    shard, first, place = None, 0, 0
    for place, name in enumerate(names):
        found = name.partition("/")[0]
        if found != shard:
            if shard is not None:
                yield shard, first, place
            shard, first = found, place
    if shard is not None:
        yield shard, first, place + 1
