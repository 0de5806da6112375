"""Simulators that are external programs: Blender, Unity, Omniverse, UnityEyes, or a script.

A YAML file describes the program: its command, its parameters and its labels. The command reads a file of parameters
and writes a folder of images with a metadata table.

    command: blender -b scene.blend -P render.py -- {parameters} {out}
    timeout: 600
    parameters:
      height: {unit: mm, description: of the lamp, limits: [0, 100], default: [20, 40], distribution: uniform}
    classes:
      label: [cup, plate]
    columns:
      place: [x, y]
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pydantic
import torch
import yaml
from torch import Tensor

from ..data.reading.class_names import natural_key
from ..data.reading.discovery import metadata_tables
from ..data.reading.images import decode
from ..data.reading.pixels import Conversion
from ..data.reading.tables import table_rows
from ..errors import InputError
from ..settings import SettingError, read_yaml, settings
from ..storage import write_text
from . import guard
from .base import CHUNK, Drawn, Simulator
from .distributions import Empirical, Normal, Range
from .parameter import Distribution, Parameter

PLACES = ("parameters", "out")  # required placeholders of a command; optional ones are n, seed and python
LINES = "the lines `command:` and `parameters:`"
LAST_LINES = 5  # lines of the output of a failed program that go into the error message


@settings
class Declared:
    """One parameter in the description of a program; see `Parameter`."""

    unit: str = ""
    description: str = ""
    limits: Range
    default: float | Range | Normal | Empirical
    distribution: Distribution = "uniform"


@settings
class Description:
    """Content of the YAML file of a program.

    Args:
        command: the command line. These placeholders are replaced: `{parameters}` by the file that the program reads,
            `{out}` by the empty folder that it writes to, `{n}` by the number of images, `{seed}` by the seed, and
            `{python}` by the Python interpreter that runs synth2real. The command runs in the folder of the YAML file,
            without a shell.
        parameters: the parameters by name.
        classes: for each class label, the class names.
        columns: for each value label, the names of its columns in the table.
        timeout: maximum time of one run of the command in seconds.
        chunk: maximum number of images per run.
    """

    command: str
    parameters: dict[str, Declared]
    classes: dict[str, tuple[str | pydantic.StrictInt, ...]] = pydantic.Field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = pydantic.Field(default_factory=dict)
    timeout: float = pydantic.Field(default=600, gt=0)
    chunk: int = pydantic.Field(default=CHUNK, ge=1)


@settings
class External(Simulator):
    """A simulator that runs an external program. `external(file)` builds a subclass with its parameters and labels.

    The file of parameters is YAML: `n`, `seed`, `size` (height, width) and `channels`; `parameters`, with n values per
    name, one per image; and `ranges`, [low, high] by name, for programs that sample the values themselves. Only
    `parameters` has distributions and correlations. The images are read in natural order of their names. They are
    resized and converted if they differ from `size` and `channels`.

    Raises:
        InputError: while rendering, if the program cannot be started, fails, takes too long or does not write the
            expected output. The message contains the ranges of the parameters and the path of the parameter file.
    """

    program: ClassVar[Description]
    file: ClassVar[Path]  # the description

    def __reduce__(self) -> tuple[Any, ...]:
        # The class is in no module: another process makes it anew.
        known = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return _again, (self.file, self.program, known)

    @classmethod
    def called(cls) -> str:
        """The name of the YAML file without its suffix."""
        return cls.__name__

    @property
    def chunk(self) -> int:
        return self.program.chunk

    def render(self, values: dict[str, Tensor], generator: torch.Generator) -> Drawn:
        """See `Simulator.render`. This is one run of the program."""
        count = len(next(iter(values.values())))
        order = {
            "n": count,
            "seed": int(torch.randint(2**31, (1,), generator=generator)),
            "size": list(self.size),
            "channels": self.channels,
            "ranges": {p.name: list(self.range(p.name)) for p in self.parameters},
            "parameters": {name: [round(float(v), 9) for v in column] for name, column in values.items()},
        }
        work = Path(tempfile.mkdtemp(prefix="synth2real-"))
        parameter_file, out = work / "parameters.yaml", work / "out"
        try:
            out.mkdir()
            write_text(parameter_file, yaml.safe_dump(order, sort_keys=False, default_flow_style=None))
            places = {
                "parameters": parameter_file,
                "out": out,
                "n": count,
                "seed": order["seed"],
                "python": sys.executable,
            }
            self._run(work, {name: str(value) for name, value in places.items()})
            drawn = self._read(out, count)
        except InputError as error:
            shutil.rmtree(out, ignore_errors=True)
            spans = ", ".join(f"{name} {float(v.min()):g} to {float(v.max()):g}" for name, v in values.items())
            raise InputError(f"{error}. Its parameters were: {spans}. They are saved in {parameter_file}") from None
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work)
        return drawn

    def _run(self, work: Path, places: Mapping[str, str]) -> None:
        """Run the command through `guard.py`, so that it never outlives this process, and `work` neither."""
        parts = [_filled(part, places) for part in shlex.split(self.program.command)]
        named = f"simulator '{type(self).__name__}': `{parts[0]}`"
        reading, writing = os.pipe()  # the guard ends with the program when this process, which alone can write, ends
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, str(work), *parts],
                cwd=self.file.parent,
                stdin=reading,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        finally:
            os.close(reading)
        with process:
            try:
                output, _ = process.communicate(timeout=self.program.timeout)
            except subprocess.TimeoutExpired:
                os.write(writing, guard.KEEP)
                raise InputError(
                    f"{named} took more than {self.program.timeout:g} s, expected less. Raise `timeout`, or lower "
                    "`chunk`"
                ) from None
            finally:
                os.close(writing)
        if process.returncode == guard.NOT_STARTED:
            raise InputError(f"{named} cannot be started ({output.strip()}), expected a program. Install it")
        if process.returncode:
            last = " | ".join(output.strip().splitlines()[-LAST_LINES:]) or "nothing"
            raise InputError(f"{named} ended with exit code {process.returncode}, expected 0. Its last output: {last}")

    def _read(self, out: Path, count: int) -> Drawn:
        """Read the images and labels that the program wrote."""
        named = f"simulator '{type(self).__name__}'"
        tables = metadata_tables(out)
        if len(tables) != 1:
            raise InputError(f"{named} wrote {len(tables)} tables, expected one metadata.csv or metadata.jsonl")
        rows = table_rows(tables[0])
        for row in rows:
            if not row.get("file_name"):
                raise InputError(f"{named}: a row of {tables[0].name} has no file_name, expected one per image")
        rows = sorted(rows, key=lambda row: natural_key(str(row["file_name"])))
        files = [tables[0].parent / str(row["file_name"]) for row in rows]
        missing = [file.name for file in files if not file.is_file()]
        if missing or len(files) != count:
            lost = f", but {len(missing)} files are missing ({missing[0]})" if missing else ""
            raise InputError(f"{named} wrote a table of {len(files)} images{lost}; expected {count}")
        images = decode(files, Conversion(self.size, self.channels, depth=16, resize="stretch")).images
        labels: dict[str, Tensor] = {}
        for label, names in self.classes.items():
            labels[label] = torch.tensor([_class(named, row, label, names) for row in rows])
        for label, columns in self.columns.items():
            labels[label] = torch.tensor([[_number(named, row, column) for column in columns] for row in rows])
        return Drawn(images[torch.arange(count)], labels)

    def _values(self, generator: torch.Generator, keep: int) -> dict[str, Tensor]:
        # External programs are slow, so only the images that are kept are rendered.
        return {name: values[:keep] for name, values in super()._values(generator, keep).items()}


def external(path: str | Path) -> type[External]:
    """The simulator class described by a YAML file.

    Raises:
        InputError: the file is missing, is not YAML, or is not a valid description of a program.
    """
    path = Path(path)
    found = read_yaml(path, LINES)
    try:
        program = Description(**{str(name): value for name, value in found.items()})
    except SettingError as error:
        raise _invalid(path, error.error) from None
    absent = [place for place in PLACES if f"{{{place}}}" not in program.command]
    if absent:
        raise InputError(f"{path}: the command has no {{{absent[0]}}}, expected {{parameters}} and {{out}} in it")
    if not program.parameters:
        raise InputError(f"{path}: has no parameters, expected one or more")
    if not program.classes and not program.columns:
        raise InputError(f"{path}: has neither `classes` nor `columns`, expected the labels in the table")
    return _class_of(path, program)


def _class_of(path: Path, program: Description) -> type[External]:
    """The simulator class of a program whose YAML file is at `path`."""
    body = {
        "__doc__": f"The program described by {path.name}.",
        "program": program,
        "file": path.absolute(),
        "parameters": tuple(_parameter(path, name, declared) for name, declared in program.parameters.items()),
        "classes": {label: tuple(map(str, names)) for label, names in program.classes.items()},
        "columns": program.columns,
    }
    return type(path.stem, (External,), body)


def _again(path: Path, program: Description, known: dict[str, Any]) -> External:
    """A simulator in another process."""
    return _class_of(path, program)(**known)


def _invalid(path: Path, error: pydantic.ValidationError) -> InputError:
    """The first fault of a description. The input of a missing field is an object of pydantic, so it is not shown."""
    first = error.errors()[0]
    *parents, last = map(str, first["loc"])
    if first["type"] not in ("missing", "missing_argument"):
        return InputError(f"{path}: '{'.'.join([*parents, last])}' is {first['input']!r}, expected: {first['msg']}")
    if not parents:
        return InputError(f"{path}: found no `{last}`, expected {LINES}")
    return InputError(f"{path}: '{'.'.join(parents)}' has no `{last}`, expected `limits:` and `default:` in it")


def _parameter(path: Path, name: str, declared: Declared) -> Parameter:
    default = (declared.default, declared.default) if isinstance(declared.default, float) else declared.default
    try:
        return Parameter(name, declared.unit, declared.description, declared.limits, default, declared.distribution)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _filled(part: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        part = part.replace(f"{{{name}}}", value)
    return part


def _cell(named: str, row: dict[str, Any], column: str) -> Any:
    if column not in row:
        raise InputError(f"{named}: the table has no column '{column}', found: {', '.join(row)}")
    return row[column]


def _class(named: str, row: dict[str, Any], label: str, names: tuple[str, ...]) -> int:
    value = str(_cell(named, row, label))
    if value not in names:
        raise InputError(f"{named}: '{label}' of {row['file_name']} is '{value}', expected one of: {', '.join(names)}")
    return names.index(value)


def _number(named: str, row: dict[str, Any], column: str) -> float:
    value = _cell(named, row, column)
    if value is None or value == "":
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{named}: '{column}' of {row['file_name']} is {value!r}, expected a number") from None
