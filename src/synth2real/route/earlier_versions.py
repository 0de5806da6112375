"""Runs of earlier versions: what their settings are in this one, and whether a training is continued as it began."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import InputError
from ..settings import WITHOUT, build, described, migrated
from ..tasks import TASKS
from .route import STAGES

Difference = tuple[str, Any, Any]
Change = Callable[[str, dict[str, Any]], dict[str, Any]]  # of a stage and the settings of its method


def migrated_route(plain: Any) -> Any:
    """A route from `Route.describe`, with every setting under its present name; any other value unchanged."""
    return _by_method(migrated, plain)


def completed_route(plain: Any) -> Any:
    """The same, and a setting that an earlier version did not have has the value that changes nothing."""
    return _by_method(_completed, plain)


def with_routes(change: Callable[[Any], Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run or a comparison, of which each described route is changed."""
    found = dict(settings)
    if "route" in found:
        found["route"] = change(found["route"])
    if isinstance(found.get("routes"), dict):
        found["routes"] = {name: change(route) for name, route in found["routes"].items()}
    return found


def _by_method(change: Change, plain: Any) -> Any:
    """A described route, of which each method is changed."""
    if not isinstance(plain, dict):
        return plain
    route = {stage: change(stage, one) if isinstance(one, dict) else one for stage, one in plain.items()}
    adapt = route.get("adapt")
    if isinstance(adapt, dict) and isinstance(adapt.get("then"), dict):
        adapt["then"] = change("adapt", adapt["then"])
    return route


def _completed(stage: str, plain: dict[str, Any]) -> dict[str, Any]:
    found = migrated(stage, plain)
    settings = {name: value for name, value in found.items() if name not in ("method", "package")}
    try:
        whole = described(STAGES[stage], build(STAGES[stage], str(found.get("method")), settings))
    except (InputError, KeyError):  # a method of another package, or a damaged file, about which the caller decides
        return found
    without = {name: value for name, value in WITHOUT.get(stage, {}).items() if name in whole}
    return {**whole, **without, **found}


def difference(before: dict[str, Any], now: dict[str, Any]) -> Difference | None:
    """The first setting of a run that is another one now, such as `route.adapt.weight`, with both values.

    Args:
        before: the settings of the run, under present names. What its routes lack has the value that changes nothing.
        now: those to continue it with. What only `before` has, such as the versions, is not compared.
    """
    former = {name: before.get(name) for name in now}
    return _first(_written_out(former), _written_out(now), "")


def _first(before: dict[str, Any], now: dict[str, Any], where: str) -> Difference | None:
    for name in dict.fromkeys([*now, *before]):
        former, value = before.get(name), now.get(name)
        found: Difference | None = (where + name, former, value)
        if isinstance(former, dict) and isinstance(value, dict):
            found = _first(former, value, f"{where}{name}.")
        elif former == value:
            found = None
        if found is not None:
            return found
    return None


def _written_out(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with all those of their routes.

    A learning rate that is not set is that of the method, as earlier versions wrote it. Masks and boxes, which have
    another one, did not exist then.
    """
    found, task = with_routes(completed_route, settings), settings.get("task")
    kind = str(task.get("kind")) if isinstance(task, dict) else ""
    if kind in TASKS and TASKS[kind].dense:
        return found
    return with_routes(partial(_by_method, _with_rate), found)


def _with_rate(stage: str, plain: dict[str, Any]) -> dict[str, Any]:
    method = str(plain.get("method"))
    if stage != "adapt" or plain.get("rate", 0) is not None or method not in STAGES[stage]:
        return plain
    return {**plain, "rate": getattr(STAGES[stage][method], "default_rate", None)}
