"""`synth2real gap`: measures how far two domains lie apart."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from ...data.domains import Unlabelled
from ...data.loading import load_unlabelled
from ...data.sparse import Layout
from ...errors import InputError
from ...measure.gap import Gap, measure_gap
from ...simulate import is_simulator, simulator
from ...training.model import Model, load_model
from ..console import warnings_on_stderr
from ..inputs import check_for_simulators, read_both_groups
from ..requests import GapRequest


def gap(request: GapRequest) -> None:
    """Load both domains, measure, and print a table, or one line of JSON."""
    check_for_simulators(request.source, request.n, None)
    model = None if request.features is None else load_model(request.features)
    if model is not None and (request.size or request.channels):
        raise InputError(
            "--size and --channels apply to pixels, but --features compares features of a run, which converts "
            "images as in its training. Leave them out"
        )
    size, channels = (request.size, request.channels) if model is None else (model.resize, model.channels)
    layout = Layout.of([request.source, request.target]) if model is None else model.layout
    how: dict[str, Any] = {"size": size, "channels": channels, "skip_bad": request.skip_bad, "layout": layout}
    with warnings_on_stderr():
        target = load_unlabelled(request.target, **how)
        source = rendered(request, target) if is_simulator(request.source) else load_unlabelled(request.source, **how)
    groups = read_both_groups(request.group, (request.source, source), (request.target, target))
    show(measure_gap(source, target, features=model, seed=request.seed, groups=groups), request, model)


def rendered(request: GapRequest, target: Unlabelled) -> Unlabelled:
    """Images of the simulator, of the target's size and channels."""
    if len(target.shape) != 3:
        raise InputError(f"the simulator '{request.source}' renders images, the target has features {target.shape}")
    channels, height, width = target.shape
    made = simulator(request.source, size=(height, width), channels=channels)
    return made.labelled(request.n or 1000, request.seed).unlabelled()


def show(found: Gap, request: GapRequest, model: Model | None) -> None:
    """Print the table, or one line of JSON."""
    if request.as_json:
        print(json.dumps(found.to_dict()))
        return
    on = found.on if model is None else f"{found.on} of {request.features}"
    table = Table(
        "distance", "value", "95% interval", title=f"{found.source} source and {found.target} target samples, {on}"
    )
    for name, distance in found.distances.items():
        table.add_row(name, f"{distance.value:.3g}", f"{distance.low:.3g} to {distance.high:.3g}")
    Console().print(table)
