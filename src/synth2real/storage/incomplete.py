"""Folders that are written image by image, and say until their end that they are incomplete.

While such a folder is written, it holds `INCOMPLETE.jsonl`: what it is made from, then one line for each step that is
done. The file goes last. Every command refuses a folder that holds it, and `--resume` goes on from it.

An earlier output that is replaced is kept in the hidden folder `.earlier` until then, and put back after an error.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError, WriteError
from .files import append_line, make_folder, write_text, writing
from .locks import LOCK, is_empty

INCOMPLETE, EARLIER = "INCOMPLETE.jsonl", ".earlier"
OURS = (INCOMPLETE, EARLIER, LOCK)
# What is being done, in the first line: an earlier output moves away, the new one is written, the earlier moves back.
REPLACING, WRITING, RESTORING = "replacing", "writing", "restoring"
Plain = dict[str, Any]


class Building:
    """A folder in the making, with its journal.

    Args:
        out: the folder.
        header: what it is made from, and what is being done.
        rows: the lines of the journal.
    """

    def __init__(self, out: Path, header: Plain, rows: Sequence[Plain] = ()) -> None:
        self.out, self.header, self.rows = out, header, list(rows)

    @classmethod
    def read(cls, out: Path) -> Building:
        """What an earlier process has left. A last line that is torn is dropped.

        Raises:
            InputError: the file is damaged.
        """
        lines = (out / INCOMPLETE).read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        try:
            header, *rows = [json.loads(line) for line in lines]
            if header["doing"] not in (REPLACING, WRITING, RESTORING) or not isinstance(header["made_from"], dict):
                raise ValueError
        except (ValueError, TypeError, KeyError):
            raise InputError(f"{out / INCOMPLETE}: is damaged, so {out} cannot be used. Delete the folder") from None
        return cls(out, header, rows)

    def add(self, row: Plain) -> None:
        """Add a line to the journal. What it tells of must be on disk before."""
        append_line(self.out / INCOMPLETE, json.dumps(row))
        self.rows.append(row)

    def keep(self, count: int) -> None:
        """Write the journal again, with its first `count` lines."""
        self.rows = self.rows[:count]
        write_text(self.out / INCOMPLETE, "".join(json.dumps(row) + "\n" for row in (self.header, *self.rows)))

    def doing(self, what: str) -> None:
        """Write in the first line what is being done."""
        self.header["doing"] = what
        self.keep(len(self.rows))

    def set_aside(self) -> None:
        """Move the earlier output away, or the rest of it."""
        with writing(self.out / EARLIER):
            if self.header["replaces"]:
                (self.out / EARLIER).mkdir(exist_ok=True)
            for name in self.header["replaces"]:
                if (self.out / name).exists():
                    (self.out / name).rename(self.out / EARLIER / name)
        self.doing(WRITING)

    def discard(self) -> None:
        """Delete what was written."""
        with writing(self.out):
            for path in self.out.iterdir():
                if path.name not in (*OURS, *self.header["others"]):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def restore(self) -> None:
        """Delete what was written, and move the earlier output back."""
        if self.header["doing"] == WRITING:
            self.discard()
        with suppress(WriteError):  # on a full disk the earlier output is still moved back
            self.doing(RESTORING)
        with writing(self.out):
            for path in (self.out / EARLIER).iterdir():
                path.rename(self.out / path.name)
            (self.out / EARLIER).rmdir()
            (self.out / INCOMPLETE).unlink()


@contextmanager
def building(
    out: Path, command: str, made_from: Mapping[str, Any], *, resume: bool = False, replaces: Sequence[str] = ()
) -> Iterator[Building]:
    """Mark a folder as incomplete while the context lasts.

    After an error, an earlier output that was replaced is there again. Without one the folder stays for `resume`, or is
    removed if there is nothing in it.

    Args:
        out: the folder. It is created if it does not exist.
        command: that writes it, such as `render`.
        made_from: all that determines the content, as plain data.
        resume: go on with what an earlier process has left.
        replaces: names in `out` that belong to an earlier output. What an earlier process has left incomplete is
            replaced in any case.

    Raises:
        InputError: there is nothing to resume, or it was made from something else.
        WriteError: the folder cannot be written.
    """
    plain: Plain = json.loads(json.dumps({"command": command, **made_from}))
    new = not out.exists()
    found = _resumed(out, plain) if resume else _begun(out, plain, replaces)
    try:
        yield found
        with writing(out):
            (out / INCOMPLETE).unlink()
    except BaseException as error:
        if (out / EARLIER).is_dir():
            found.restore()
            raise
        if out.is_dir() and any(path.name not in OURS for path in out.iterdir()):
            raise _with_the_way_on(error, out) from None
        with suppress(OSError):
            (out / INCOMPLETE).unlink()
            if new:
                out.rmdir()
        raise
    shutil.rmtree(out / EARLIER, ignore_errors=True)


def _begun(out: Path, made_from: Plain, replaces: Sequence[str]) -> Building:
    """Begin a folder, and move an earlier output away."""
    left, new = _left(out), not out.exists()
    make_folder(out)
    if left is None:
        shutil.rmtree(out / EARLIER, ignore_errors=True)  # left by a process that was killed at its very end
        others = [path.name for path in out.iterdir() if path.name not in (*OURS, *replaces)]
    else:
        left.discard()
        replaces, others = [], left.header["others"]
    header = {
        "doing": REPLACING,
        "made_from": made_from,
        "replaces": [name for name in replaces if name not in OURS],
        "others": others,
    }
    found = Building(out, header)
    try:
        found.keep(0)
    except WriteError:
        if new:
            out.rmdir()
        raise
    found.set_aside()
    return found


def _resumed(out: Path, made_from: Plain) -> Building:
    """What an earlier process has left, made from the same."""
    left = _left(out)
    if left is None:
        why = f"found no {INCOMPLETE}, so there is nothing to --resume"
        raise InputError(f"{out}: {why}. Use the folder if it is complete, or leave --resume out")
    before = left.header["made_from"]
    for key, value in made_from.items():
        if before.get(key) != value:
            raise InputError(
                f"{out}: was begun with {key} {before.get(key)}, but --resume found {value}. Give the same arguments, "
                "or begin anew with --overwrite"
            )
    return left


def _left(out: Path) -> Building | None:
    """What an earlier process has left incomplete; a move that it has begun is ended."""
    if not (out / INCOMPLETE).is_file():
        return None
    left = Building.read(out)
    if left.header["doing"] == RESTORING:
        left.restore()
        return None
    if left.header["doing"] == REPLACING:
        left.set_aside()
    return left


def _with_the_way_on(error: BaseException, out: Path) -> BaseException:
    """The error, which also says how to go on."""
    way = f"{out} is incomplete: the same command with --resume goes on"
    if isinstance(error, KeyboardInterrupt):
        return KeyboardInterrupt(f": {way}")
    if not out.name.startswith("."):  # a hidden folder is a part of another one, which says it itself
        error.add_note(f"{way}.")
    return error


def is_free(out: Path, *, overwrite: bool) -> bool:
    """Whether a folder can be written without replacing an output: it is new, empty, or incomplete and given up.

    Raises:
        InputError: it is incomplete or not empty, and is not to be overwritten.
    """
    if not out.exists() or (out.is_dir() and is_empty(out)):
        return True
    incomplete = (out / INCOMPLETE).is_file()
    if overwrite:
        return incomplete
    if incomplete:
        raise InputError(
            f"{out}: is incomplete: an earlier command was stopped before its end. Pass --resume to go on, or "
            "--overwrite to begin anew"
        )
    raise InputError(
        f"{out}: the folder is not empty, expected a new or empty folder. Choose another --out, or pass --overwrite"
    )


def check_complete(folder: Path) -> None:
    """Raise `InputError` if a folder is incomplete."""
    if not (folder / INCOMPLETE).is_file():
        return
    command = Building.read(folder).header["made_from"].get("command")
    raise InputError(
        f"{folder}: is incomplete: `synth2real {command}` was stopped before its end, or it is running. Repeat that "
        "command with --resume, or delete the folder"
    )
