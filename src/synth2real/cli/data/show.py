"""`synth2real show`: a contact sheet of randomized images, labels drawn on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...data.domains import Labelled, to_float
from ...data.loading import Channels, Size
from ...errors import InputError
from ...randomize import METHODS
from ...report.sheet import Column, randomized, sheet
from ...settings import build
from ...simulate import is_simulator, load_parameters, simulator
from ...tasks import TASKS, Classification
from ..console import console, warnings_on_stderr
from ..inputs import check_for_simulators, check_labels, check_task, load_labelled
from ..learn.train import assignments_of

KNOWN_BY = 50  # rendered samples by which the range of a label is known, however few are shown


@dataclass(frozen=True)
class Request:
    """The arguments of the command, parsed; see `synth2real show --help`."""

    source: str
    randomize: str
    out: Path
    n: int
    versions: int
    task: str
    label: tuple[str, ...]
    strength: float | None
    assign: tuple[str, ...]
    preset: str | None
    params: Path | None
    size: Size | None
    channels: Channels | None
    seed: int
    skip_bad: bool
    overwrite: bool


def show(request: Request) -> None:
    """Draw the sheet and write it as PNG."""
    if request.out.suffix.lower() != ".png":
        raise InputError(f"--out {request.out}: expected the name of a PNG file, such as {request.out}.png")
    if request.out.exists() and not request.overwrite:
        raise InputError(
            f"{request.out}: exists already, expected a new file. Choose another --out, or pass --overwrite"
        )
    check_task(request.task)
    check_for_simulators(request.source, None, request.preset, request.params)
    policy = build(METHODS, request.randomize, _settings(request), stage="randomize")
    with warnings_on_stderr():
        data, masks, whole = _rendered(request) if is_simulator(request.source) else _loaded(request)
    if len(data.shape) != 3:
        raise InputError(f"{request.source}: holds features of shape {data.shape}, expected images")
    task = TASKS[request.task].of(whole) if request.task != "classify" or data.columns else Classification(data.classes)
    policy = policy.settled(task)
    images = to_float(data.inputs[torch.arange(len(data))])
    labels = task.to_input(data.labels, data.sizes, data.shape[1:])
    columns = [Column("original", images, labels, masks)]
    for i in range(request.versions):
        generator = torch.Generator().manual_seed(request.seed * 1_000_003 + i)
        columns.append(randomized(columns[0], str(i + 1), policy, task, generator))
    request.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(columns, task).save(request.out)
    console.print(f"showed {len(data)} images in {request.versions} versions in {request.out}", soft_wrap=True)


def _settings(request: Request) -> dict[str, Any]:
    strength = {} if request.strength is None else {"strength": request.strength}
    return {**assignments_of("randomize", request.assign), **strength}


def _rendered(request: Request) -> tuple[Labelled, Tensor, Labelled]:
    """Images of the simulator, the masks (N, R, H, W) bool of its regions, and samples enough to know the labels by."""
    check_labels(request.task, request.label)
    given = {"label": request.label, "size": request.size, "channels": request.channels, "preset": request.preset}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value}
    if request.params is not None:
        settings["ranges"] = load_parameters(request.params)
    made = simulator(request.source, **settings)
    data, masks = made.labelled(request.n, request.seed), made.sample(request.n, request.seed).masks
    none = torch.zeros(len(data), 0, *made.size, dtype=torch.bool)
    drawn = torch.stack([masks[region] for region in made.regions], 1) if made.regions else none
    enough = request.task == "classify" or request.n >= KNOWN_BY
    return data, drawn, data if enough else made.labelled(KNOWN_BY, request.seed)


def _loaded(request: Request) -> tuple[Labelled, Tensor, Labelled]:
    """Images of the folder or file, evenly spaced, no masks, and all that is there."""
    whole = load_labelled(request.source, request.task, request.label, request.size, request.channels, request.skip_bad)
    data = whole.subset(torch.linspace(0, len(whole) - 1, min(request.n, len(whole))).long())
    return data, torch.zeros(len(data), 0, *data.shape[1:], dtype=torch.bool), whole
