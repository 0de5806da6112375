"""The pages of the settings: every field of every method, with its range and default."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic

from command_pages import cell
from synth2real.adapt import MAPPINGS, OBJECTIVES, SOURCE_FREE
from synth2real.calibrate import METHODS as CALIBRATE
from synth2real.randomize import METHODS as RANDOMIZE
from synth2real.randomize import WIDEN
from synth2real.refine import METHODS as REFINE

STAGES: dict[str, Mapping[str, type[Any]]] = {
    "calibrate": CALIBRATE,
    "widen": WIDEN,
    "randomize": RANDOMIZE,
    "refine": REFINE,
    "adapt": {**OBJECTIVES, **MAPPINGS, **SOURCE_FREE},
}
INTRODUCTION = """# Settings

Every setting of every method, from its code. On the command line a setting is `--set STAGE.FIELD=VALUE`, such as
`--set adapt.decay=0.99`; in Python it is an argument of the class; in a YAML file of routes it stands below the method.
A value outside of its range is refused with a message. `null` on the command line is `None` in Python.

| stage | methods |
| --- | --- |
"""


def settings_pages() -> dict[str, str]:
    """A page for each stage, and the page that lists them."""
    rows = [
        f"| [{stage}](settings/{stage}.md) | {', '.join(f'`{name}`' for name in STAGES[stage])} |" for stage in STAGES
    ]
    toctree = ["", "```{toctree}", ":hidden:", "", *(f"settings/{stage}" for stage in STAGES), "```", ""]
    pages = {f"settings/{stage}.md": stage_page(stage, methods) for stage, methods in STAGES.items()}
    return {"settings.md": INTRODUCTION + "\n".join([*rows, *toctree]), **pages}


def stage_page(stage: str, methods: Mapping[str, type[Any]]) -> str:
    """All methods of a stage, all fields of each."""
    lines = [f"# Settings of {stage}", "", f"`--set {stage}.FIELD=VALUE`", ""]
    for name, kind in methods.items():
        lines += [f"## {name}", "", *method_lines(kind), ""]
    return "\n".join(lines)


def method_lines(kind: type[Any]) -> Iterator[str]:
    """What the method is, and the table of its fields."""
    yield f"`{kind.__name__}`: {(inspect.getdoc(kind) or '').partition(chr(10))[0]}"
    yield ""
    if not dataclasses.is_dataclass(kind) or not dataclasses.fields(kind):
        yield "No settings."
        return
    schema = pydantic.TypeAdapter(kind).json_schema()
    told = descriptions(kind)
    yield "| field | values | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, values in schema.get("properties", {}).items():
        default = cell(f"`{json.dumps(values['default'])}`") if "default" in values else "required"
        kinds = cell(words(values, schema.get("$defs", {})))
        yield f"| `{name}` | {kinds} | {default} | {cell(told.get(name, ''))} |"


def words(values: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    """The values that a JSON Schema allows, in words."""
    if "$ref" in values:
        name = values["$ref"].rpartition("/")[2]
        return words(shared[name], shared) if "enum" in shared.get(name, {}) else f"a mapping: `{name}`"
    if "anyOf" in values:
        return " or ".join(dict.fromkeys(words(one, shared) for one in values["anyOf"]))
    if "const" in values:
        return f"`{json.dumps(values['const'])}`"
    if "enum" in values:
        return ", ".join(f"`{one}`" for one in values["enum"])
    kind = {
        "null": "nothing (`null`)",
        "integer": "whole number",
        "boolean": "`true` or `false`",
        "string": "text",
    }.get(values.get("type", "any"), values.get("type", "any"))
    if kind == "array":
        inner = values.get("items") or (values.get("prefixItems") or [{}])[0]
        count = f"{values['minItems']} " if values.get("minItems") == values.get("maxItems", -1) else ""
        return f"list of {count}{words(inner, shared)}" if inner else "list"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {values[key]:g}" for key, sign in signs.items() if key in values]
    return " ".join([kind, ", ".join(limits)]).strip()


def descriptions(kind: type[Any]) -> dict[str, str]:
    """What the `Args` sections of a class and of those that it inherits from say of each field."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        section = re.search(r"^Args:\n((?:[ ]+.*\n|\n)*)", inspect.cleandoc(base.__doc__ or "") + "\n", re.M)
        for names, text in re.findall(
            r"^    (\w[\w, ]*): (.*(?:\n        .*|\n(?=\n        ))*)", section[1] if section else "", re.M
        ):
            meaning = " ".join(text.split())
            for name in names.replace(" ", "").split(","):
                if not (name in found and meaning.startswith("as in")):
                    found[name] = meaning
    return found
