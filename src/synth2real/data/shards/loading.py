"""Loading of shards: `shards/` with `.tar` or `.parquet` files, one such file, or a pattern of them.

load("shards/", label="class")          # every shard in the folder
load("shards/train-{000..099}.tar")     # each of these must be there
load_unlabelled("photos-*.parquet")     # those that are there
"""

from __future__ import annotations

import glob
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, LeftOutWarning
from ...storage import check_complete
from ..domains import Labelled, Unlabelled
from ..names import Names
from ..reading.discovery import is_image
from ..reading.images import NAMED, Decoded, decode
from ..reading.memory import limit
from ..reading.pixels import Conversion
from ..reading.progress import note
from ..reading.tables import TABLES
from .labels import TarLabels, Wanted, take_rows
from .members import OPEN, Members, Shard
from .table import Groups, ParquetShard, Table
from .tar import Skip, index_of

TAR, PARQUET = (".tar", ".tgz", ".tar.gz"), (".parquet", ".pq")
KEPT = 2**29  # bytes: of shards that are larger when decoded, no image is kept in memory
BRACES = re.compile(r"\{([^{}]*)\}")
OWN = "refiner"  # subfolder of a folder of refined shards
SPLITS = ("train", "test", "validation", "val", "dev")  # first words of shards of different parts of a data set


class Faults:
    """What is wrong in some shards: raised at once, or collected and said in one warning.

    Args:
        skip: whether what is wrong is left out.
    """

    def __init__(self, skip: bool) -> None:
        self.skip, self.count = skip, 0
        self.first: list[str] = []

    def __call__(self, error: InputError) -> None:
        if not self.skip:
            raise error
        self.count += 1
        self.first += [str(error)] if len(self.first) < NAMED else []

    def say(self) -> None:
        """Warn of what was left out, if there was anything."""
        if self.count:
            more = f"\n... and {self.count - len(self.first)} more" if self.count > len(self.first) else ""
            text = f"left out {self.count} faults of shards:\n" + "\n".join(self.first) + more
            warnings.warn(LeftOutWarning(text, {"of shards": self.count}), stacklevel=4)


def raising(error: InputError) -> None:
    """Raise what is wrong in shards, where nothing is left out."""
    raise error


def is_sharded(path: str | Path) -> bool:
    """Whether a path names shards: a `.tar` or `.parquet` file, a pattern of them, or a folder with them alone.

    A folder with images, with subfolders or with a metadata table is a folder of images.
    """
    place = Path(path)
    if not place.is_dir():
        return place.name.lower().endswith((*TAR, *PARQUET))
    found = False
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if (entry.is_dir() and entry.name != OWN) or entry.name in TABLES or is_image(Path(entry.name)):
                return False
            found = found or entry.name.lower().endswith((*TAR, *PARQUET))
    return found


def shard_files(path: str | Path, faults: Skip) -> list[Path]:
    """The shards that a path names, in the order of their names.

    Raises:
        InputError: there is none; shards of a pattern are missing; some are archives and some tables; or a folder
            holds several parts of a data set.
    """
    place = Path(path)
    if place.is_dir():
        check_complete(place)
        files = sorted(one for one in place.iterdir() if one.name.lower().endswith((*TAR, *PARQUET)))
        files = [one for one in files if not one.name.startswith(".")]
        _check_parts(place, files)
    elif place.is_file():
        files = [place]
    else:
        files = list(_of_pattern(str(path), faults))
    if not files:
        raise InputError(f"{path}: found no shard, expected .tar or .parquet files. Check the spelling")
    tables = [file for file in files if file.name.lower().endswith(PARQUET)]
    if 0 < len(tables) < len(files):
        other = next(file for file in files if file not in tables)
        raise InputError(f"{path}: found {other.name} and {tables[0].name}, expected shards of one kind. Name one kind")
    return files


def _check_parts(folder: Path, files: Sequence[Path]) -> None:
    """Raise `InputError` if the shards are those of several parts of a data set."""
    words = {word for file in files if (word := re.split(r"[-_.]", file.name.lower())[0]) in SPLITS}
    if len(words) > 1:
        first = min(words)
        suffix = files[0].suffix
        raise InputError(
            f"{folder}: found shards of {' and '.join(sorted(words))}, which are parts of a data set, expected one. "
            f"Name it: '{folder / first}*{suffix}'"
        )


def _of_pattern(pattern: str, faults: Skip) -> Iterator[Path]:
    """The files of a pattern with braces (`{000..099}`, `{a,b}`), each of which must be there, or with `*` and `?`."""
    names = list(_expanded(pattern))
    for name in names:
        if glob.has_magic(name) and not Path(name).exists():
            yield from sorted(map(Path, glob.glob(name)))
        elif Path(name).is_file():
            yield Path(name)
        else:
            of = f" of the {len(names)} of {pattern}" if len(names) > 1 else ""
            mend = "Restore it, or pass --skip-bad (skip_bad=True) to do without" if of else "Check the spelling"
            faults(InputError(f"{name}: no such shard{of}; the path is relative to {Path.cwd()}. {mend}"))


def _expanded(pattern: str) -> Iterator[str]:
    parts = BRACES.split(pattern)  # texts and the contents of braces in turn
    choices = [list(_inside(part)) if i % 2 else [part] for i, part in enumerate(parts)]
    return ("".join(one) for one in product(*choices))


def _inside(braces: str) -> Iterator[str]:
    """What stands for a pair of braces: `000..099` or `a,b`."""
    span = re.fullmatch(r"(\d+)\.\.(\d+)", braces)
    if span is None:
        yield from braces.split(",")
        return
    first, last = int(span[1]), int(span[2])
    yield from (str(i).zfill(len(span[1])) for i in range(first, last + 1))


def indexed(path: str | Path, wanted: Wanted, skip_bad: bool) -> Members:
    """The images of shards, and what is wanted beside them.

    Args:
        path: of the shards.
        wanted: takes the labels of each image in turn.
        skip_bad: leave out what is damaged, with a warning.

    Raises:
        InputError: a shard is damaged or missing, or a label is.
    """
    faults = Faults(skip_bad)
    files = shard_files(path, faults)
    stays = len(files) <= OPEN
    takes = TarLabels(wanted).take if wanted.labelled or wanted.given else None
    groups = Groups()
    shards: list[Shard] = []
    for file in files:
        if not file.name.lower().endswith(PARQUET):
            shards.append(index_of(file, faults, takes, stays))
            continue
        try:
            table = Table(file)
            shard = ParquetShard(table, groups)
        except InputError as error:
            faults(error)
            continue
        take_rows(wanted, table)
        shards.append(shard)
    faults.say()
    what = "Parquet files" if files[0].name.lower().endswith(PARQUET) else "webdataset shards"
    note(f"{path}: {len(files):,} {what}, {sum(map(len, shards)):,} images")
    if not any(map(len, shards)):
        raise InputError(f"{path}: found no image in {len(files)} shards, expected at least one")
    return Members(shards)


def _read(path: str | Path, wanted: Wanted, how: Conversion) -> tuple[Decoded, dict[str, Any]]:
    """The images of shards, and what a domain of them has beside labels."""
    members = indexed(path, wanted, how.skip_bad)
    read = decode(members, replace(how, memory=min(KEPT, limit()) if how.memory is None else how.memory))
    facts: dict[str, Any] = {"names": Names.of(map(members.name, read.kept)), **read.facts}
    if wanted.given:
        facts |= {"given": wanted.known.of(np.array(read.kept)).float(), "given_columns": wanted.given}
    return read, facts


def load_shards(
    path: str | Path, label: str | Sequence[str] | None, how: Conversion, given: tuple[str, ...]
) -> Labelled:
    """Labelled images of shards.

    Args:
        path: a folder, a file or a pattern.
        label: the field or column of classes, or those of numbers. None: `label`, `class` or `cls`.
        how: conversion of the images. With `memory` None they stay in the shards, if they take more than `KEPT`.
        given: fields or columns of numbers that are no labels.

    Raises:
        InputError: a shard, an image or a label is missing or damaged.
    """
    wanted = Wanted(True, label, given)
    read, facts = _read(path, wanted, how)
    kept = np.array(read.kept)
    if wanted.values is not None:
        return Labelled(read.images, wanted.values.of(kept), columns=wanted.values.columns, **facts)
    assert wanted.classes is not None
    labels, classes = wanted.classes.of(kept)
    return Labelled(read.images, labels, classes, **facts)


def load_shards_unlabelled(path: str | Path, how: Conversion, given: tuple[str, ...]) -> Unlabelled:
    """Images of shards without labels, which are not even looked at. The arguments are those of `load_shards`."""
    read, facts = _read(path, Wanted(False, None, given), how)
    return Unlabelled(read.images, **facts)
