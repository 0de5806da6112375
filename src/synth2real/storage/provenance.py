"""Provenance: what an output was made from. Every command that writes an output writes this one file with it.

In an output folder it is `provenance.json`; beside an output file it is `NAME.provenance.json`. It names each input by
the hash of its content, and so the outputs that are inputs of others form a tree; see `lineage`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from ..errors import InputError
from .content import PROVENANCE, Content, content_of
from .files import write_text

PACKAGE = Path(__file__).parents[1]
Plain = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """One input of an output.

    Args:
        role: what it was for, by the name of the option: `source`, `target`, `run`.
        name: as the user gave it.
        path: where it was, absolute; None for a simulator that is a part of the library, and for a data set by name.
        content: what it held; None if that is not known.
        simulator: all settings of a simulator, as plain data; None for anything else.
    """

    role: str
    name: str
    path: str | None = None
    content: Content | None = None
    simulator: Plain | None = None


@dataclass(frozen=True)
class Record:
    """How an output was made.

    Args:
        command: the command that wrote it.
        out: where it was written, absolute.
        options: of the command, by name.
        seeds: of all randomness.
        inputs: what it was made from.
        code: of the library, see `code_version`; empty if it is not known.
        versions: of Python and of the packages that affect results.
    """

    command: str
    out: str
    options: Plain
    seeds: list[int]
    inputs: list[Source]
    code: Plain = field(default_factory=dict)
    versions: Plain = field(default_factory=dict)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """A record from plain data. Raise KeyError or TypeError if it is none."""
        inputs = [
            Source(**{**one, "content": None if one["content"] is None else Content(**one["content"])})
            for one in plain["inputs"]
        ]
        return cls(**{**plain, "inputs": inputs})


def record_file(out: Path) -> Path:
    """Where the record of an output is: in its folder, or beside its file."""
    return out / PROVENANCE if out.is_dir() else out.with_name(f"{out.name}.{PROVENANCE}")


def keep_record(out: Path, record: Record) -> None:
    """Write the record of an output, which exists."""
    write_text(record_file(out), json.dumps(asdict(record), indent=2) + "\n")


def read_record(out: Path) -> Record | None:
    """The record of an output; None if it has none.

    Raises:
        InputError: it is damaged.
    """
    file = record_file(out)
    if not file.is_file():
        return None
    try:
        return Record.of(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f"{file}: is damaged, expected what the output was made from. Delete the file to trace without it"
        ) from None


@functools.cache
def code_version() -> Plain:
    """The code of the library: its version, the commit of its git checkout (None without one), and its content's hash.

    The hash is of all Python files, so it also tells code apart that was changed after the commit.
    """
    try:
        named = version("synth2real")
    except PackageNotFoundError:  # run from a checkout
        named = "not installed"
    modules = {file.relative_to(PACKAGE).as_posix(): content_of(file) for file in sorted(PACKAGE.rglob("*.py"))}
    return {"version": named, "commit": commit_of(PACKAGE), "hash": Content.joined(list(modules.items())).hash}


def commit_of(folder: Path) -> str | None:
    """The commit of the git checkout that a folder is in, read without git; None if it is in none.

    A package that was installed into an environment is not part of the checkout that the environment lies in.
    """
    if {"site-packages", "dist-packages"} & set(folder.parts):
        return None
    git = next((one / ".git" for one in (folder, *folder.parents) if (one / ".git").exists()), None)
    if git is None:
        return None
    with suppress(OSError, ValueError, IndexError):
        if git.is_file():  # of a worktree: `gitdir: PATH`
            git = git.parent / git.read_text(encoding="utf-8").split(":", 1)[1].strip()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref:"):
            return head
        ref = head.removeprefix("ref:").strip()
        common = git / "commondir"
        places = [git, git / common.read_text(encoding="utf-8").strip()] if common.is_file() else [git]
        return next((found for found in (_commit(place, ref) for place in places) if found), None)
    return None


def _commit(git: Path, ref: str) -> str | None:
    """The commit of a branch, from its own file or from that of all packed branches."""
    if (git / ref).is_file():
        return (git / ref).read_text(encoding="utf-8").strip()
    packed = git / "packed-refs"
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {ref}")), None)
