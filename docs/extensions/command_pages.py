"""The pages of the command line, from the classes of options of which its parser is made."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo

from synth2real.cli.commands import COMMANDS

HEAD = """# Commands

Every option of every command, as the command line parses it. [The command line](../../command-line.md) explains how
the commands fit together, and what folders, settings and `--resume` mean.

| command | what it does |
| --- | --- |
"""
CONFIG = "| `--config` | `FILE` | | YAML file of options by their names, such as `target: photos`. Options here win. |"


def command_pages() -> dict[str, str]:
    """A page for each command, and the page that lists them."""
    pages = {f"commands/{name}.md": command_page(name, options) for name, (options, _) in COMMANDS.items()}
    rows = [
        f"| [`{name}`](commands/{name}.md) | {cell(first_line(options))} |" for name, (options, _) in COMMANDS.items()
    ]
    toctree = ["", "```{toctree}", ":hidden:", "", *(f"commands/{name}" for name in COMMANDS), "```", ""]
    pages["commands.md"] = HEAD + "\n".join([*rows, *toctree])
    return pages


def first_line(options: type) -> str:
    return (inspect.getdoc(options) or "").partition("\n")[0]


def command_page(name: str, options: type) -> str:
    """What a command does, and its arguments and options with their defaults."""
    hints = get_type_hints(options, include_extras=True)
    fields: list[Any] = sorted(dataclasses.fields(options), key=lambda one: one.default is not dataclasses.MISSING)
    arguments = [one for one in fields if isinstance(info_of(hints[one.name]), ArgumentInfo)]
    others = [one for one in fields if one not in arguments]
    said = [inspect.getdoc(options) or "", "", "```text", usage(name, arguments, others, hints), "```"]
    lines = [f"# synth2real {name}", "", *said]
    for title, some in (("Arguments", arguments), ("Options", others)):
        if some:
            lines += ["", f"## {title}", "", "| name | value | default | what it does |", "| --- | --- | --- | --- |"]
            lines += [row(field, hints[field.name]) for field in some]
    return "\n".join([*lines, CONFIG, ""])


def usage(name: str, arguments: list[Any], others: list[Any], hints: dict[str, Any]) -> str:
    """The command with what it requires."""
    required = [one for one in others if one.default is dataclasses.MISSING]
    given = [label(one.name, hints[one.name]) for one in arguments]
    options = [f"{label(one.name, hints[one.name])} {value_name(hints[one.name])}" for one in required]
    return " ".join([f"synth2real {name}", *given, *options, "[OPTIONS]"])


def info_of(hint: Any) -> Any:
    """What typer is told of an option or argument."""
    return get_args(hint)[1]


def label(name: str, hint: Any) -> str:
    """The option as it is typed, or the argument as `--help` shows it."""
    info = info_of(hint)
    if isinstance(info, ArgumentInfo):
        return str(info.metavar or name.upper())
    declared = [str(one) for one in (info.default, *(info.param_decls or ())) if str(one).startswith("-")]
    return ", ".join(declared)


def row(field: Any, hint: Any) -> str:
    """A line of the table of options."""
    names = ", ".join(f"`{one}`" for one in label(field.name, hint).split(", "))
    return f"| {names} | {cell(values(hint))} | {cell(default(field))} | {cell(info_of(hint).help or '')} |"


def values(hint: Any) -> str:
    """What stands after an option: nothing for a switch, its choices, or the kind of value and its range."""
    kind, info = get_args(hint)[:2]
    if kind is bool or bool in get_args(kind):
        return ""
    limits = [f"{sign} {limit:g}" for sign, limit in (("≥", info.min), ("≤", info.max)) if limit is not None]
    repeated = ["repeatable"] if get_origin(kind) is tuple and info.parser is None else []
    return ", ".join([" ".join([f"`{value_name(hint)}`", *limits]), *repeated])


def value_name(hint: Any) -> str:
    """What `--help` shows for a value: its metavar, its choices, or its type."""
    kind, info = get_args(hint)[:2]
    if info.metavar is not None:
        return str(info.metavar)
    while get_origin(kind) in (tuple, Union, UnionType):
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    return {Path: "PATH", int: "N", float: "X"}.get(kind, "NAME")


def default(field: Any) -> str:
    """The default in words."""
    if field.default is dataclasses.MISSING:
        return "required"
    if field.default is None or field.default is False or field.default == ():
        return ""
    return "on" if field.default is True else f"`{field.default}`"


def cell(text: str) -> str:
    """Text as the cell of a table of Markdown."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
