"""`synth2real methods`: what each stage of a route may use, and how a model is chosen."""

from __future__ import annotations

import inspect

from rich.table import Table

from ...adapt import SOURCE_FREE
from ...route.route import STAGES
from ...select.aggregate import METHODS as AGGREGATES
from ...select.estimates import METHODS as ESTIMATES
from ...select.validators import METHODS as VALIDATORS
from ...simulate import simulators
from ..arguments import MethodsArguments
from ..console import Result, print_result


def methods(_: MethodsArguments) -> Result:
    """Print the methods of each kind with the first line of their documentation."""
    table = Table("kind", "name", "what it does")
    listed = {
        **STAGES,
        "adapt (no source)": SOURCE_FREE,
        "simulate": simulators(),
        "validate": VALIDATORS,
        "aggregate": AGGREGATES,
        "estimate": ESTIMATES,
    }
    found = {
        kind: {name: (inspect.getdoc(method) or "").partition("\n")[0] for name, method in known.items()}
        for kind, known in listed.items()
    }
    for kind, known in found.items():
        for name, does in known.items():
            table.add_row(kind, name, does)
    print_result(table)
    return {"methods": found}
