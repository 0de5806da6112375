"""`--set STAGE.FIELD=VALUE`: settings of a stage, as text."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from ..route.route import STAGES
from ..settings import parse_yaml


def parse_assignments(texts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """`STAGE.FIELD=VALUE` texts to `{stage: {field: value}}`. Values are read as YAML."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        stage, point, name = key.partition(".")
        if not (equals and point and name) or stage not in STAGES:
            raise InputError(
                f"--set '{text}': expected STAGE.FIELD=VALUE, such as adapt.rate=0.001, "
                f"with one of the stages {', '.join(STAGES)}"
            )
        try:
            found.setdefault(stage, {})[name] = parse_yaml(value)
        except ValueError:
            raise InputError(f"--set '{text}': the value is not YAML, expected a number, a word or a [list]") from None
    return found


def assignments_of(stage: str, texts: tuple[str, ...]) -> dict[str, Any]:
    """`{field: value}` for a command that has one stage only. Settings of other stages are refused."""
    assigned = parse_assignments(texts)
    other = next((named for named in assigned if named != stage), None)
    if other is not None:
        raise InputError(
            f"--set {other}.{next(iter(assigned[other]))}: this command has the stage {stage} only, "
            f"expected {stage}.FIELD=VALUE"
        )
    return assigned.get(stage, {})
