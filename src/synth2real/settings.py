"""Settings: typed, validated dataclasses with conversion to and from plain dictionaries and YAML."""

import dataclasses
import difflib
import functools
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, dataclass_transform

import pydantic
import yaml
from pydantic.dataclasses import dataclass as pydantic_dataclass

from .errors import InputError
from .plugins import Registry, absent, provider

T = TypeVar("T")
NODES = 100_000  # values in a YAML file

# Former names of settings, methods and saved values, by where they stand. Saved runs and users' settings may hold them.
RENAMED: dict[str, dict[str, str]] = {
    "adapt": {
        "own": "untied_layers",
        "taken": "statistics_by",
        "tells": "discriminates",
        "words": "term_weighting",
    },
    "widen": {"least": "threshold"},
    "validator": {
        "certainty": "calibrated-bnm",
        "information": "information-maximisation",
        "seeds": "seed-agreement",
        "steadiness": "augmentation-consistency",
        "witnesses": "combined",
    },
    "estimate": {
        "disagreement": "calibrated-disagreement",
        "line": "agreement-on-the-line",
        "rates": "agreement-rates",
        "weighted": "importance-weighting",
    },
}

# Former settings with other values than their successors: the present name, and the present value of each former one.
REPLACED: dict[str, dict[str, tuple[str, dict[Any, Any]]]] = {
    "adapt": {"frozen": ("tune", {True: "frozen", False: None})},
}
DROPPED = {"adapt": ("cached",)}  # former settings that have no effect any more
# Settings that came later and whose default does something: their value for what was made without them.
WITHOUT: dict[str, dict[str, Any]] = {"adapt": {"decay": 0.0}}

USUAL = {"lr": "rate", "learning_rate": "rate"}  # what other libraries call a setting


@dataclass_transform(kw_only_default=True, field_specifiers=(pydantic.Field, dataclasses.field))
def settings(cls: type[T]) -> type[T]:
    """Class decorator: keyword-only fields with checked values. A wrong name or value raises an `InputError`.

    A method may set what it builds while it runs (networks, running means) as plain attributes. These are not fields,
    so they are neither compared nor saved.
    """
    made: Any = pydantic_dataclass(kw_only=True, config=pydantic.ConfigDict(extra="forbid"))(cls)
    checked = made.__init__

    @functools.wraps(checked)
    def init(self: Any, *unnamed: Any, **given: Any) -> None:
        if unnamed:
            raise InputError(
                f"{made.__name__} takes its settings by name, found {unnamed[0]!r} without one. "
                f"Write it as NAME=VALUE, with one of: {', '.join(_names(made))}"
            )
        try:
            checked(self, **_present(made, given))
        except pydantic.ValidationError as error:
            raise SettingError(made, error) from None

    made.__init__ = init
    return cast(type[T], made)


class SettingError(InputError):
    """A setting does not exist, or its value cannot be used.

    Args:
        kind: class of the settings.
        error: what pydantic found.
    """

    def __init__(self, kind: type[Any], error: pydantic.ValidationError) -> None:
        self.kind, self.error = kind, error
        super().__init__(self.said(kind.__name__, f"{kind.__name__}({{}}=...)"))

    def said(self, method: str, setting: str) -> str:
        """The first fault in words.

        Args:
            method: what the class is called.
            setting: what a setting is called, with `{}` for its name.
        """
        first = self.error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "unexpected_keyword_argument":
            fields = _names(self.kind)
            alike = [USUAL[field]] if USUAL.get(field) in fields else difflib.get_close_matches(field, fields)
            listed = ", ".join(dict.fromkeys([*alike, *fields]))
            meant = f" Did you mean '{alike[0]}'?" if alike else ""
            return f"{method} has no setting '{field}', expected one of: {listed}.{meant}"
        if first["type"] == "missing_argument":
            return f"{method} lacks the setting '{field}'. Give it"
        expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        return f"{setting.format(field)}: found {first.get('input')!r}, expected {expected}"


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _present(kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings under present names. A former name of a field of `kind` gives a `UserWarning`."""
    fields = {field.name for field in dataclasses.fields(kind)}
    for where, replaced in REPLACED.items():
        for name, (new, _) in replaced.items():
            if new in fields and new not in given and name in given:
                warnings.warn(f"{kind.__name__}: '{name}' is replaced by '{new}'. Use the new setting", stacklevel=4)
                given = migrated(where, given)
    former = {
        old: new for names in RENAMED.values() for old, new in names.items() if new in fields and old not in fields
    }
    found: dict[str, Any] = {}
    for name, value in given.items():
        new = former.get(name, name)
        if new in found or (new != name and new in given):
            raise InputError(f"{kind.__name__}: found the setting '{new}' twice, once by a former name. Give it once")
        if new != name:
            warnings.warn(f"{kind.__name__}: '{name}' is now called '{new}'. Use the new name", stacklevel=4)
        found[new] = value
    return found


def to_dict(value: Any) -> dict[str, Any]:
    """The fields of a settings object as plain data (tuples become lists), ready for YAML."""
    plain = pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
    assert isinstance(plain, dict)
    return plain


def migrated(where: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values under their present names. `where` is a key of `RENAMED`; other places have no former names."""
    found = {}
    for name, value in values.items():
        if name in REPLACED.get(where, {}):
            new, present = REPLACED[where][name]
            found[new] = present[value] if isinstance(value, bool) else value
        elif name not in DROPPED.get(where, ()):
            found[RENAMED.get(where, {}).get(name, name)] = value
    return found


def present_name(where: str, name: str) -> str:
    """The present name of what a user calls `name`, with a `UserWarning` where that is a former name."""
    new = RENAMED.get(where, {}).get(name)
    if new is None:
        return name
    warnings.warn(f"{where} '{name}' is now called '{new}'. Use the new name", stacklevel=3)
    return new


def build(
    methods: Mapping[str, type[T]],
    name: str,
    values: Mapping[str, Any] | None = None,
    stage: str = "",
    package: str | None = None,
) -> T:
    """Build the method called `name` with `values`, or raise an `InputError` that names the wrong field.

    `package` is what `described` has saved of a plugin's method: if it is not installed, the error names it.
    """
    if name not in methods and package is not None:
        raise InputError(absent(stage or "method", name, package))
    if name not in methods:
        raise InputError(f"{stage or 'method'} '{name}' is unknown, expected one of: {', '.join(methods)}")
    if values is not None and not isinstance(values, Mapping):
        raise InputError(f"the settings of {stage} '{name}' are {values!r}, expected NAME: VALUE")
    try:
        return methods[name](**{str(key): value for key, value in (values or {}).items()})
    except SettingError as error:
        if error.kind is not methods[name]:  # a setting of a setting
            raise
        raise InputError(error.said(f"{stage} '{name}'", f"{stage}.{{}} of '{name}'")) from None


def name_of(methods: Mapping[str, type[Any]], value: object) -> str:
    """The name under which the class of `value` is listed in `methods` (the class's own name where it is not)."""
    kind = type(value)
    if isinstance(methods, Registry):
        return methods.name_of(kind) or kind.__name__
    return next((name for name, one in methods.items() if one is kind), kind.__name__)


def described(methods: Mapping[str, type[Any]], value: object) -> dict[str, Any]:
    """A method as plain data: its name, the package and version of a plugin's method, and its settings."""
    package = provider(type(value))
    return {"method": name_of(methods, value), **({"package": package} if package else {}), **to_dict(value)}


def read_yaml(path: Path, expected: str, *, as_text: bool = False) -> dict[str, Any]:
    """The mapping in a YAML file.

    Args:
        path: the file, UTF-8.
        expected: what it should contain, and how to mend it; the end of each message.
        as_text: as in `parse_yaml`.

    Raises:
        InputError: the file cannot be read, is not YAML, or does not contain a mapping.
    """
    try:
        found = parse_yaml(path.read_text(encoding="utf-8"), as_text=as_text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected {expected}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 (byte {error.start}), expected {expected}") from None
    except ValueError as error:
        raise InputError(f"{path}: is not valid YAML ({error}), expected {expected}") from None
    if not isinstance(found, dict):
        what = "nothing" if found is None else type(found).__name__
        raise InputError(f"{path}: contains {what}, expected {expected}")
    return found


def parse_yaml(text: str, *, as_text: bool = False) -> Any:
    """The value of a YAML text.

    Args:
        text: the YAML.
        as_text: whether numbers, dates and words stay the text that they are written as.

    Raises:
        ValueError: the text is not YAML, a key occurs twice in one mapping, or a few lines repeat themselves by anchors
            to more than `NODES` values. The message is one line, with line and column where they are known.
    """
    try:
        loader = (yaml.BaseLoader if as_text else _Loader)(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded(node, {}) > NODES:
            raise ValueError(f"anchors repeat it to more than {NODES} values")
        _check_keys(node, set())
        return loader.construct_document(node)
    except yaml.reader.ReaderError as error:  # of a character; it knows only its position
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise ValueError(
            f"line {line}, column {column}: the character U+{error.character:04X} is not allowed"
        ) from None
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        raise ValueError(" ".join(f"{_place(mark)}{problem}".split())) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except Exception as error:  # errors of any kind, such as of an odd tag
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None


class _Loader(yaml.SafeLoader):
    """Adds the place to the errors of values, such as a thirteenth month."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError, OverflowError) as error:
            raise yaml.constructor.ConstructorError(problem=str(error), problem_mark=node.start_mark) from None


def _place(mark: yaml.Mark | None) -> str:
    return "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "


def _check_keys(node: yaml.Node, seen: set[int]) -> None:
    """Raise `ValueError` if a mapping under a node has one key twice: YAML would silently take the last."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        known: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in known:
                    raise ValueError(f"{_place(key.start_mark)}'{key.value}' is given twice")
                known.add(key.value)
    for part in node.value:
        for one in part if isinstance(part, tuple) else (part,):
            _check_keys(one, seen)


def _expanded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Number of values under a node if each alias is replaced by what it repeats; `sizes` are those known already."""
    if id(node) not in sizes:
        sizes[id(node)] = NODES + 1  # for an alias within its own anchor, which has no end
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        sizes[id(node)] = 1 + (0 if isinstance(node, yaml.ScalarNode) else sum(_expanded(one, sizes) for one in parts))
    return sizes[id(node)]
