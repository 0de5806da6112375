"""`--config FILE`: the options of a command from a YAML file, and the file that repeats a command.

The names are those of the options without dashes, and those of the arguments as `--help` shows them:

    source: [synthetic]
    target: photos
    size: 64x64
    set: {adapt: {rate: 0.001}}
    out: run

Values are read as the text that they are written as, so that they mean what they mean on the command line, and are
refused with the same message.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from typer.models import ArgumentInfo

from ..errors import InputError
from ..settings import read_yaml
from ..storage import write_text

CONFIG = "config.yaml"  # in an output folder; a suffix beside an output file
COMMAND, SET = "command", "set"
SWITCHES = ("as_json", "quiet", "overwrite", "resume", "dry_run", "trust")  # of one call; a repetition decides anew
ABSENT = ("", "~", "null")  # texts that leave an option out
EXPECTED = "`option: value` with the names of the options, such as `target: photos`"


def option_names(options: type) -> dict[str, str]:
    """The name in a file of each field of a class of options, by the name of the field."""
    names = {}
    for field, hint in get_type_hints(options, include_extras=True).items():
        info = get_args(hint)[1]
        if isinstance(info, ArgumentInfo):
            names[field] = str(info.metavar or field).lower()
        else:
            declared = next(one for one in (info.default, *(info.param_decls or ())) if str(one).startswith("--"))
            names[field] = declared.partition("/")[0].removeprefix("--")
    return names


def read_config(path: Path, command: str, options: type) -> dict[str, Any]:
    """The values of a file by field: text, or a list of texts for an option that may be repeated.

    Args:
        path: the file.
        command: name of the command.
        options: class of its options.

    Raises:
        InputError: the file cannot be read, is of another command, or has an unknown name or a value of a wrong form.
    """
    if path.is_dir():
        raise InputError(f"--config {path}: is a folder, expected a YAML file, such as {path / CONFIG}")
    by_name = {name: field for field, name in option_names(options).items()}
    kinds = {field.name: get_type_hints(options)[field.name] for field in fields(options)}
    found: dict[str, Any] = {}
    for key, value in read_yaml(path, EXPECTED, as_text=True).items():
        name = str(key).replace("_", "-")
        if name == COMMAND:
            _check_command(path, command, value)
            continue
        if name not in by_name:
            raise _unknown(path, str(key), command, list(by_name))
        if by_name[name] in found:
            raise InputError(f"{path}: '{name}' is given twice, with - and with _. Give it once")
        if value in ABSENT:
            continue
        repeated = get_origin(kinds[by_name[name]]) is tuple and get_args(kinds[by_name[name]])[1] is ...
        if name == SET and isinstance(value, Mapping):
            value = _assignments(read_yaml(path, EXPECTED)[key])
        found[by_name[name]] = _checked(f"{path}: {key}", value, repeated=repeated)
    return found


def _check_command(path: Path, command: str, found: Any) -> None:
    if found != command:
        raise InputError(
            f"{path}: is the file of `synth2real {found}`, but this is `synth2real {command}`. Give the file of this "
            f"command, or remove the line `{COMMAND}: {found}` and the options that only the other one has"
        )


def _unknown(path: Path, key: str, command: str, names: list[str]) -> InputError:
    alike = difflib.get_close_matches(key.replace("_", "-"), names)
    meant = f" Did you mean '{alike[0]}'?" if alike else ""
    listed = ", ".join(dict.fromkeys([*alike, *names]))
    beside = path.with_name(CONFIG)
    if path.name != CONFIG and beside.is_file():
        meant += f" {beside} repeats the command of that folder"
    return InputError(f"{path}: '{key}' is no option of `synth2real {command}`, expected one of: {listed}.{meant}")


def _checked(what: str, value: Any, *, repeated: bool) -> Any:
    """The text, or for a repeated option the list of texts."""
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in items):
        raise InputError(f"{what}: found a nested value, expected {'texts' if repeated else 'one value'}")
    if not repeated and isinstance(value, list):
        raise InputError(f"{what}: found a list of {len(value)}, expected one value")
    return items if repeated else value


def _assignments(values: Mapping[Any, Any]) -> list[str]:
    """`STAGE.FIELD=VALUE` texts of `{stage: {field: value}}` or `{stage.field: value}`. JSON is YAML in one line."""
    found = []
    for stage, one in values.items():
        named = (
            {f"{stage}.{field}": value for field, value in one.items()} if isinstance(one, Mapping) else {stage: one}
        )
        found += [f"{name}={json.dumps(value, default=str)}" for name, value in named.items()]
    return found


def config_file(out: Path) -> Path:
    """Where the options of a command are kept: in its output folder, or beside its output file."""
    return out / CONFIG if out.is_dir() else out.with_suffix(f".{CONFIG}")


def plain_options(args: Any) -> dict[str, Any]:
    """The options of a command as a file has them, by name. What is of one call, and what is absent, is left out."""
    names = option_names(type(args))
    values = {name: _plain(getattr(args, field)) for field, name in names.items() if field not in SWITCHES}
    return {name: value for name, value in values.items() if value not in (None, [])}


def keep_config(command: str, args: Any, out: Path) -> None:
    """Write the options of a command beside its output. `synth2real COMMAND --config FILE --out OTHER` repeats it."""
    kept = {COMMAND: command, **plain_options(args)}
    write_text(config_file(out), yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))


def _plain(value: Any) -> Any:
    """A value as a file has it: paths as text, a size as `64x64`."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return "x".join(map(str, value)) if value and isinstance(value[0], int) else list(value)
    return value
