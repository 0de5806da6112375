"""What an output was made from, as the options of its command name it, and what former outputs tell of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.domains import Labelled
from ..data.reading.loading import is_hub
from ..data.shards import is_sharded, shard_files
from ..errors import InputError
from ..refine.folder import DESCRIPTION
from ..route.run_folder import SETTINGS, read_settings
from ..settings import read_yaml
from ..simulate import External, Simulator, is_simulator
from ..simulate.parts import TABLE
from ..simulate.registry import described
from ..simulate.writers import PARAMETERS
from ..storage import Content, Record, Source, code_version, content_of, keep_record, record_file, writing
from ..training.hardware import versions
from .config_file import COMMAND, config_file, keep_config, plain_options
from .console import console

# Options that name what a command reads.
READ = (
    "source",
    "simulator",
    "run",
    "target",
    "images",
    "params",
    "judge",
    "apply",
    "features",
    "few-labels",
    "test",
    "check",
    "calibrate",
    "routes",
    "weights",
)
SLOW = 10.0  # seconds between two lines about files that are read
PACKAGE = "synth2real"


def keep_provenance(command: str, args: Any, out: Path, source: Simulator | Labelled | None = None) -> Record:
    """Write the options of a command beside its output, and what the output was made from.

    Args:
        command, args: the command with its options.
        out: its output, which exists.
        source: that the options name; a simulator is recorded with all its settings.
    """
    keep_config(command, args, out)
    record = record_of(command, args, out, source)
    keep_record(out, record)
    return record


@contextmanager
def recorded(command: str, args: Any, *files: Path) -> Iterator[None]:
    """Write the record of output files beside each of them, when the context ends.

    That of an earlier output is removed at its beginning, so that no file has the record of another one.
    """
    record = record_of(command, args, files[0])
    for file in files:
        with writing(record_file(file)):
            record_file(file).unlink(missing_ok=True)
    yield
    for file in files:
        keep_record(file, replace(record, out=str(file.absolute())))


def record_of(command: str, args: Any, out: Path, source: Simulator | Labelled | None = None) -> Record:
    """What an output is made from; see `keep_provenance`. Files that the options name are read to their end."""
    options = plain_options(args)
    made = source if isinstance(source, Simulator) else None
    first = getattr(args, "seed", None)
    seeds = [] if first is None else list(range(first, first + getattr(args, "seeds", 1)))
    inputs = list(_inputs(options, made))
    if made is not None and not any(one.simulator for one in inputs):  # the command has its own
        inputs.append(Source("source", made.called(), simulator=described(made)))
    return Record(command, str(out.absolute()), options, seeds, inputs, code_version(), versions())


def say_changed(out: Path, before: Record | None, now: Record) -> None:
    """Warn of inputs that have changed since an output was begun that is resumed."""
    if before is None:
        return
    held = {(one.role, one.path): one.content for one in before.inputs if one.content is not None}
    for one in now.inputs:
        if held.get((one.role, one.path), one.content) != one.content:
            console.warn(
                f"{one.name} ({one.role}) has changed since {out} was begun, so that the first part was made from "
                "other data. Begin anew with --overwrite if that matters"
            )


def _inputs(options: dict[str, Any], made: Simulator | None) -> Iterator[Source]:
    for role in READ:
        for name in _listed(options.get(role)):
            yield from _sources(role, name, made)


def _sources(role: str, name: str, made: Simulator | None) -> Iterator[Source]:
    """A file, a folder, a data set by name, or a simulator with the files of its code; nothing for other values."""
    if is_hub(name):
        yield Source(role, name)
    elif role in ("source", "simulator") and is_simulator(name):
        plain = {"name": name} if made is None else described(made)
        code = None if made is None else _code(name, made)
        yield read_source(role, name, code, plain) if code is not None else Source(role, name, simulator=plain)
        if isinstance(made, External):
            for part in made.program.command.split():
                if (made.file.parent / part).is_file():
                    yield read_source("program", part, made.file.parent / part)
    elif Path(name).exists():
        yield read_source(role, name, Path(name))
    elif role in ("source", "target", "test", "images") and is_sharded(name):  # a pattern of shards
        shards = [read_source(role, file.name, file) for file in shard_files(name, lambda *_: None)]
        named = [(one.name, one.content) for one in shards if one.content is not None]
        yield Source(role, name, content=Content.joined(named))


def _code(name: str, made: Simulator) -> Path | None:
    """The file that describes a simulator that is no part of the library."""
    if isinstance(made, External):
        return Path(name)
    module = type(made).__module__
    file = getattr(sys.modules.get(module), "__file__", None)
    return None if file is None or module.partition(".")[0] == PACKAGE else Path(file)


def read_source(role: str, name: str, path: Path, simulator: dict[str, Any] | None = None) -> Source:
    """An input with the hash of its content. Raise `InputError` if a file cannot be read."""
    try:
        content = content_of(path, telling(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected readable files. Mend the disk") from None
    return Source(role, name, str(path.absolute()), content, simulator)


def telling(path: Path) -> Callable[[int, int], None]:
    """Says at times how many files of `path` have been read for its content hash."""
    said = time.perf_counter()

    def tell(files: int, size: int) -> None:
        nonlocal said
        if time.perf_counter() - said >= SLOW:
            said = time.perf_counter()
            console.print(f"content hash of {path}: {files:,} files, {size / 1e9:.1f} GB read", soft_wrap=True)

    return tell


def known_before(out: Path) -> Record | None:
    """What the files of an output tell that has no record, because an earlier version wrote it; None if nothing."""
    if not out.is_dir() and not config_file(out).is_file():
        return None
    command, options = _former(out)
    if not command:
        return None
    inputs = [_former_source(role, name) for role in READ for name in _listed(options.get(role))]
    seed = options.get("seed")
    return Record(command, str(out.absolute()), options, [] if seed is None else [int(seed)], inputs)


def _former_source(role: str, name: str) -> Source:
    if role in ("source", "simulator") and is_simulator(name):
        return Source(role, name, simulator={"name": name})
    return Source(role, name, None if is_hub(name) else str(Path(name).absolute()))


def _listed(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _former(out: Path) -> tuple[str, dict[str, Any]]:
    """The command that wrote an output, and its options as far as they are known; an empty name if it is none."""
    if config_file(out).is_file():
        options = read_yaml(config_file(out), "the options of a command")
        return str(options.pop(COMMAND, "")), options
    if (out / SETTINGS).is_file():
        found = read_settings(out)
        command = "compare" if "routes" in found else "adapt" if "run" in found else "train"
        sources = [found.get("source"), *(found.get("more") or ())]
        few = (found.get("few_labels") or {}).get("path")
        return command, {**found, "source": [one for one in sources if one], "few-labels": few}
    if (out / DESCRIPTION).is_file():
        found = read_yaml(out / DESCRIPTION, "how the images were refined")
        given = {role: (found.get(role) or {}).get("given") for role in ("source", "target")}
        return "refine", {**given, "method": found.get("method"), "seed": found.get("seed")}
    if (out / PARAMETERS).is_file() and ((out / TABLE).is_file() or (out / "shard-000000.tar").is_file()):
        return "render", {}
    return "", {}
