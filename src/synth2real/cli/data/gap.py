"""`synth2real gap`: how far two domains lie apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ...data.domains import Unlabelled
from ...data.loading import Channels, Size, load_unlabelled
from ...data.sparse import Layout
from ...errors import InputError
from ...measure.gap import Gap, measure_gap
from ...simulate import is_simulator, simulator
from ...training.model import Model, load_model
from ..console import warnings_on_stderr
from ..inputs import check_for_simulators, read_both_groups


@dataclass(frozen=True)
class Request:
    """The arguments of the command, parsed; see `synth2real gap --help`."""

    source: str
    target: Path
    features: Path | None
    n: int | None
    size: Size | None
    channels: Channels | None
    group: str | None
    seed: int
    skip_bad: bool
    as_json: bool


def gap(request: Request) -> None:
    """Load both domains, measure, and print a table, or one line of JSON."""
    check_for_simulators(request.source, request.n, None)
    model = None if request.features is None else load_model(request.features)
    if model is not None and (request.size or request.channels):
        raise InputError(
            "--size and --channels go with pixels, but --features compares by a run, which converts images as it was "
            "trained to. Leave them out"
        )
    size, channels = (request.size, request.channels) if model is None else (model.resize, model.channels)
    layout = Layout.of([request.source, request.target]) if model is None else model.layout
    how: dict[str, Any] = {"size": size, "channels": channels, "skip_bad": request.skip_bad, "layout": layout}
    with warnings_on_stderr():
        target = load_unlabelled(request.target, **how)
        source = rendered(request, target) if is_simulator(request.source) else load_unlabelled(request.source, **how)
    groups = read_both_groups(request.group, (request.source, source), (request.target, target))
    show(measure_gap(source, target, features=model, seed=request.seed, groups=groups), request, model)


def rendered(request: Request, target: Unlabelled) -> Unlabelled:
    """Images of the simulator, of the target's size and channels."""
    if len(target.shape) != 3:
        raise InputError(f"the simulator '{request.source}' renders images, the target has features {target.shape}")
    channels, height, width = target.shape
    made = simulator(request.source, size=(height, width), channels=channels)
    return made.labelled(request.n or 1000, request.seed).unlabelled()


def show(found: Gap, request: Request, model: Model | None) -> None:
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
