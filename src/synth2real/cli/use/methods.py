"""`synth2real methods`: what each stage of a route may use, and how a model is chosen, with the package of each."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from ...adapt import SOURCE_FREE_STAGE
from ...data.formats import NAMED as FORMATS
from ...data.formats import Format
from ...deploy.exporters import EXPORTERS
from ...measure.metrics import METRICS
from ...networks.backbones import NAMED as NETWORKS
from ...plugins import OWN, Registry
from ...route.route import STAGES
from ...select.aggregate import METHODS as AGGREGATES
from ...select.estimates import METHODS as ESTIMATES
from ...select.validators import NAMED as VALIDATORS
from ...simulate.registry import NAMED as SIMULATORS
from ...training.hardware import versions
from ..arguments import MethodsArguments
from ..console import Result, print_result

KINDS: dict[str, Mapping[str, Any]] = {
    **STAGES,
    "adapt (no source)": SOURCE_FREE_STAGE,
    "simulate": SIMULATORS,
    "network": NETWORKS,
    "validate": VALIDATORS,
    "aggregate": AGGREGATES,
    "estimate": ESTIMATES,
    "metric": METRICS,
    "format": FORMATS,
    "export": EXPORTERS,
}


def methods(_: MethodsArguments) -> Result:
    """Print the methods of each kind with the first line of their documentation, and the package they are of."""
    table = Table("kind", "name", "what it does", "package")
    found: dict[str, dict[str, str]] = {}
    packages: dict[str, dict[str, dict[str, str]]] = {}
    for kind, known in KINDS.items():
        found[kind], packages[kind] = {}, {}
        for name, method in _working(known):
            package, version = _origin(known, name)
            found[kind][name] = _about(method)
            packages[kind][name] = {"package": package, "version": version}
            table.add_row(kind, name, found[kind][name], "" if package == OWN else f"{package} {version}".strip())
    print_result(table)
    return {"methods": found, "packages": packages}


def _working(known: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return known.working() if isinstance(known, Registry) else iter(known.items())


def _origin(known: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Package and version of a method."""
    plugin = known.plugin(name) if isinstance(known, Registry) else None
    return (OWN, versions()[OWN]) if plugin is None else (plugin.package, plugin.version)


def _about(method: Any) -> str:
    """What it does, in a line."""
    if isinstance(method, Format):
        return method.about
    return (inspect.getdoc(method) or "").partition("\n")[0]
