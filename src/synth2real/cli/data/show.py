"""`synth2real show`: a contact sheet of randomized images with their labels drawn on them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...data.domains import Labelled, to_float
from ...errors import InputError
from ...randomize import METHODS
from ...report.sheet import Column, randomized, sheet
from ...settings import build
from ...simulate import is_simulator, load_parameters, simulator
from ...tasks import TASKS, Classification
from ..assignments import assignments_of
from ..console import console, warnings_on_stderr
from ..inputs import check_for_simulators, check_labels, check_task, load_labelled
from ..outputs import check_new_file
from ..requests import ShowRequest

KNOWN_BY = 50  # rendered samples that determine the range of a label, even if fewer are shown


def show(request: ShowRequest) -> None:
    """Draw the sheet and write it as PNG."""
    check_new_file(request.out, "a PNG", (".png",), request.overwrite)
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


def _settings(request: ShowRequest) -> dict[str, Any]:
    strength = {} if request.strength is None else {"strength": request.strength}
    return {**assignments_of("randomize", request.assign), **strength}


def _rendered(request: ShowRequest) -> tuple[Labelled, Tensor, Labelled]:
    """Images of the simulator, the masks (N, R, H, W) bool of its regions, and enough samples for the labels' range."""
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


def _loaded(request: ShowRequest) -> tuple[Labelled, Tensor, Labelled]:
    """Evenly spaced images of the folder or file, no masks, and the whole data."""
    whole = load_labelled(request.source, request.task, request.label, request.size, request.channels, request.skip_bad)
    data = whole.subset(torch.linspace(0, len(whole) - 1, min(request.n, len(whole))).long())
    return data, torch.zeros(len(data), 0, *data.shape[1:], dtype=torch.bool), whole
