"""Lineage: the tree of what an output was made from, down to simulators, their seeds, and images from elsewhere.

A parent is looked for where it was. If it is not there, it is looked for by its content: at the same place relative to
the output, if both have moved, and beside the output and beside where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .content import Content, OnBytes, content_of, size_of
from .provenance import Record, Source, read_record

UNCHANGED, CHANGED, MOVED, MISSING = "unchanged", "changed since", "moved", "missing"
UNKNOWN = "not recorded"  # no hash of its content was recorded, or it cannot be read now
MOST = 500  # places that are looked at for a parent that has moved

Known = Callable[[Path], Record | None]  # what is known of an output that has no record


@dataclass(frozen=True)
class Node:
    """An output or an input, with what it was made from.

    Args:
        role: what it was for; empty for the output that is traced.
        name: as the user gave it.
        path: where it is now; where it was, if it is missing; None for what has no place.
        content: what it holds now; what it held, if it is missing.
        state: of an input: whether it still holds what it held.
        record: how it was made; None if it was not made by a command, or that is not known.
        recorded: whether the record was written with the output; else it is what other files of the output tell.
        simulator: all settings of a simulator.
        inputs: what it was made from.
    """

    role: str
    name: str
    path: Path | None
    content: Content | None
    state: str
    record: Record | None = None
    recorded: bool = True
    simulator: dict[str, Any] | None = None
    inputs: list[Node] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """The tree as plain data."""
        own = {name: value for name, value in vars(self).items() if name not in ("content", "record", "inputs")}
        record = None if self.record is None else {k: v for k, v in asdict(self.record).items() if k != "inputs"}
        content = None if self.content is None else asdict(self.content)
        return {**own, "content": content, "record": record, "inputs": [one.plain() for one in self.inputs]}


def trace(out: Path, known: Known, on_bytes: OnBytes | None = None) -> Node:
    """The tree of an output.

    Args:
        out: the file or folder, which exists.
        known: for outputs without a record.
        on_bytes: as in `content_of`.

    Raises:
        InputError: a record is damaged.
    """
    found = _Tracer(known, on_bytes)
    return found.node(Source("", str(out)), out, found.content(out.absolute()), UNKNOWN, ())


class _Tracer:
    def __init__(self, known: Known, on_bytes: OnBytes | None) -> None:
        self.known, self.on_bytes = known, on_bytes
        self.contents: dict[Path, Content | None] = {}  # an input of several outputs is read once

    def content(self, path: Path) -> Content | None:
        """What a file or a folder holds; None if it cannot be read."""
        if path not in self.contents:
            try:
                self.contents[path] = content_of(path, self.on_bytes)
            except OSError:
                self.contents[path] = None
        return self.contents[path]

    def node(self, source: Source, path: Path, content: Content | None, state: str, above: tuple[Path, ...]) -> Node:
        """The node of something that is at `path`."""
        record = read_record(path)
        recorded = record is not None
        record = record or self.known(path)
        real = path.resolve()
        if record is None or real in above:
            return Node(source.role, source.name, path, content, state, record, recorded, source.simulator)
        inputs = [self.input(one, record, path, (*above, real)) for one in record.inputs]
        return Node(source.role, source.name, path, content, state, record, recorded, source.simulator, inputs)

    def input(self, source: Source, record: Record, out: Path, above: tuple[Path, ...]) -> Node:
        """The node of an input of the output that is now at `out`."""
        if source.path is None:
            return Node(source.role, source.name, None, source.content, UNKNOWN, simulator=source.simulator)
        was = Path(source.path)
        if was.exists():
            now = self.content(was)
            compared = UNCHANGED if now == source.content else CHANGED
            state = UNKNOWN if now is None or source.content is None else compared
            return self.node(source, was, now, state, above)
        place = None if source.content is None else self.moved(source.content, was, record, out)
        if place is None:
            return Node(source.role, source.name, was, source.content, MISSING, simulator=source.simulator)
        return self.node(source, place, source.content, MOVED, above)

    def moved(self, content: Content, was: Path, record: Record, out: Path) -> Path | None:
        """Where this content is now; None if it is not found."""
        for _, place in zip(range(MOST), _places(was, record, out), strict=False):
            with suppress(OSError):
                alike = size_of(place, content.files) == (content.files, content.bytes)
                if alike and self.content(place) == content:
                    return place
        return None


def _places(was: Path, record: Record, out: Path) -> Iterator[Path]:
    """Where a parent may have moved to: first along with the output, then beside the output and beside where it was."""
    together = out.absolute() / os.path.relpath(was, record.out)
    if together.exists():
        yield Path(os.path.normpath(together))
    for folder in dict.fromkeys((out.absolute().parent, was.parent)):
        if folder.is_dir():
            yield from sorted(one for one in folder.iterdir() if not one.name.startswith("."))
