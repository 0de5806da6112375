"""JSON Schemas of the YAML files, so that editors complete and check them.

`routes` is the file of `compare --routes`, `config` that of `--config`, and `parameters` that of `--params`. What
installed packages add is included.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pydantic
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from ..adapt import MAPPINGS, OBJECTIVES, FeatureMapping
from ..plugins import Registry
from ..route.route import STAGES
from ..simulate.registry import simulators

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
ARGUMENT = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")  # a line of `Args:`
ELSEWHERE = re.compile(r"as in `")  # such as: as in `Learner`


class _Lenient(GenerateJsonSchema):
    """Takes any value where a type has no JSON Schema, such as a method within a method."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {}

    def generate(self, schema: Any, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pydantic.json_schema.PydanticJsonSchemaWarning)
            return super().generate(schema, mode)


def routes() -> dict[str, Any]:
    """The schema of a file of routes: `name: {stage: {method: NAME, FIELD: VALUE}}`, or `stage: NAME`."""
    definitions: dict[str, Any] = {}
    stages = {}
    for stage, known in STAGES.items():
        kinds = dict(known.working() if isinstance(known, Registry) else known.items())
        names = []
        for name, kind in kinds.items():
            definitions[f"{stage}.{name}"] = _method(name, kind, definitions)
            names.append({"$ref": f"#/$defs/{stage}.{name}"})
        stages[stage] = {"anyOf": [{"enum": ["none", None, *kinds]}, *names]}
    route = {"type": "object", "properties": stages, "additionalProperties": False}
    return {
        "$schema": DIALECT,
        "title": "Routes of synth2real compare --routes",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": route,
        "$defs": definitions,
    }


def config() -> dict[str, Any]:
    """The schema of a file of options; the line `command:` says of which command it is."""
    from .commands import COMMANDS

    commands = {name: _options(name, options) for name, (options, _) in COMMANDS.items()}
    every: dict[str, Any] = {}
    for one in commands.values():
        every |= one["properties"]
    return {
        "$schema": DIALECT,
        "title": "Options of a command of synth2real, for --config",
        "type": "object",
        "properties": {**every, "command": {"enum": list(commands), "description": "The command of these options."}},
        "allOf": [
            {"if": {"properties": {"command": {"const": name}}, "required": ["command"]}, "then": one}
            for name, one in commands.items()
        ],
    }


def parameters() -> dict[str, Any]:
    """The schema of a file of parameters of a simulator: `parameter: value`, `[low, high]` or a distribution."""
    known: dict[str, dict[str, Any]] = {}
    for name, kind in simulators().items():
        for one in kind.parameters:
            low, high = one.limits
            said = f"{one.description} ({', '.join(part for part in (one.unit, f'{low:g} to {high:g}') if part)})"
            before = known.get(one.name, {"description": ""})["description"]
            known[one.name] = {**_sampling(), "description": f"{before}{'; ' if before else ''}{name}: {said}"}
    correlations = {"type": "object", "additionalProperties": {"type": "number", "minimum": -1, "maximum": 1}}
    return {
        "$schema": DIALECT,
        "title": "Ranges of a simulator, for --params",
        "type": "object",
        "properties": {
            **known,
            "correlations": {**correlations, "description": "Lines such as `first ~ second: 0.5`."},
        },
        "additionalProperties": _sampling(),
    }


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {"routes": routes, "config": config, "parameters": parameters}


def _sampling() -> dict[str, Any]:
    number: dict[str, Any] = {"type": "number"}
    pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    normal = {
        "type": "object",
        "properties": {"mean": number, "std": {**number, "minimum": 0}},
        "required": ["mean", "std"],
    }
    quantiles = {"type": "array", "items": number, "minItems": 2}
    empirical = {"type": "object", "properties": {"quantiles": quantiles}, "required": ["quantiles"]}
    return {"anyOf": [number, pair, normal, empirical]}


def _method(name: str, kind: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A method with its settings: their types, ranges and defaults, and what the docstrings say of them."""
    made = pydantic.TypeAdapter(kind).json_schema(schema_generator=_Lenient, ref_template="#/$defs/{model}")
    definitions |= made.pop("$defs", {})
    said = described(kind)
    fields = {
        field: {**one, **({"description": said[field]} if field in said else {})}
        for field, one in made.get("properties", {}).items()
    }
    for one in fields.values():
        one.pop("title", None)
    if issubclass(kind, FeatureMapping):
        fields["then"] = {**_objective(), "description": said["then"]}
    own = {"method": {"const": name}, "package": {"type": "string", "description": "Package and version of a plugin."}}
    nested = {"type": "object", "propertyNames": {"enum": list(fields)}, "description": "The same fields."}
    return {
        "type": "object",
        "description": (inspect.getdoc(kind) or "").partition("\n")[0],
        "properties": {**own, "settings": nested, **fields},
        "required": ["method"],
        "additionalProperties": False,
    }


def _objective() -> dict[str, Any]:
    """How the model on mapped features is trained: the name of an objective, or its name and settings."""
    others = [name for name in STAGES["adapt"] if name not in OBJECTIVES and name not in MAPPINGS]  # of plugins
    names = {"enum": [*OBJECTIVES, *others]}
    return {"anyOf": [names, {"type": "object", "properties": {"method": names}, "required": ["method"]}]}


def described(kind: type[Any]) -> dict[str, str]:
    """What the docstrings of a class and of those that it derives from say of each setting, by name."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        for names, text in _arguments(inspect.cleandoc(one.__doc__ or "")):
            if not (ELSEWHERE.match(text) and names[0] in found):
                found |= dict.fromkeys(names, text)
    return found


def _arguments(text: str) -> list[tuple[list[str], str]]:
    """The entries under `Args:` of a docstring: names, and the text in one line."""
    entries: list[tuple[list[str], str]] = []
    for line in text.partition("\nArgs:\n")[2].splitlines():
        if line and not line.startswith("    "):
            break
        if start := ARGUMENT.match(line):
            entries.append((start[1].split(", "), start[2]))
        elif entries and line.strip():
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line.strip()}")
    return entries


def _options(name: str, options: type[Any]) -> dict[str, Any]:
    """The options of a command by the names that the file has."""
    from .config_file import SET, option_names

    names, hints = option_names(options), get_type_hints(options, include_extras=True)
    properties: dict[str, Any] = {"command": {"const": name}}
    for field in dataclasses.fields(options):
        kind, info = get_args(hints[field.name])
        value = _value(kind)
        if names[field.name] == SET:
            value = {"anyOf": [value, {"type": "object", "description": "{stage: {field: value}}"}]}
        properties[names[field.name]] = {**value, "description": info.help or ""}
    properties |= {key.replace("-", "_"): value for key, value in properties.items()}
    return {"properties": properties, "additionalProperties": False}


def _value(kind: Any) -> dict[str, Any]:
    """The schema of an option's value; a text is read as on the command line, so a number may stand for it."""
    inner = [one for one in get_args(kind) if one is not types.NoneType]
    if get_origin(kind) in (types.UnionType, Union):
        kind = inner[0]
    if get_origin(kind) is Literal:
        return {"enum": [*get_args(kind), *map(str, get_args(kind)), None]}
    if get_origin(kind) is tuple and get_args(kind)[1] is ...:
        return {"anyOf": [{"type": "array", "items": SCALAR}, SCALAR]}
    known: Mapping[Any, dict[str, Any]] = {
        bool: {"type": ["boolean", "string", "null"]},
        int: {"type": ["integer", "string", "null"]},
        float: {"type": ["number", "string", "null"]},
        Path: {"type": ["string", "null"]},
    }
    return known.get(kind, SCALAR)
