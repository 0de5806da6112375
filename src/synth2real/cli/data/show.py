"""`synth2real show`: a contact sheet of randomized images with their labels drawn on them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ... import storage
from ...data.domains import Labelled, to_float
from ...errors import InputError
from ...randomize import METHODS
from ...report.contact_sheet import Column, randomized, sheet
from ...settings import build
from ...simulate import is_simulator, load_parameters, simulator
from ...tasks import TASKS, Classification, Segmentation
from ..arguments import ShowArguments
from ..console import Result, console
from ..inputs import check_for_simulators, check_labels, check_task, load_labelled, pictured, reading
from ..outputs import check_new_file
from ..set_option import assignments_of

KNOWN_BY = 50  # rendered samples that determine the range of a label, even if fewer are shown


def show(args: ShowArguments) -> Result:
    """Draw the sheet and write it as PNG."""
    check_new_file(args.out, "a PNG", (".png",), args.overwrite)
    check_task(args.task)
    check_for_simulators(args.source, None, args.preset, args.params)
    policy = build(METHODS, args.randomize, _settings(args), stage="randomize")
    data, masks, whole = _rendered(args) if is_simulator(args.source) else _loaded(args)
    if len(data.shape) != 3:
        raise InputError(f"{args.source}: holds features of shape {data.shape}, expected images")
    task = TASKS[args.task].of(whole) if args.task != "classify" or data.columns else Classification(data.classes)
    policy = policy.settled(task)
    images = to_float(data.inputs[torch.arange(len(data))])
    labels = task.to_input(data.labels, data.fitting)
    columns = [Column("original", images, labels, masks)]
    for i in range(args.versions):
        generator = torch.Generator().manual_seed(args.seed * 1_000_003 + i)
        columns.append(randomized(columns[0], str(i + 1), policy, task, generator))
    storage.make_folder(args.out.parent)
    with storage.whole(args.out) as partial:
        sheet(columns, task).save(partial)
    console.print(f"showed {len(data)} images in {args.versions} versions in {args.out}", soft_wrap=True)
    return {"randomize": args.randomize, "images": len(data), "versions": args.versions, "out": args.out}


def _settings(args: ShowArguments) -> dict[str, Any]:
    assigned = assignments_of("randomize", args.assign)
    if args.strength is None:
        return assigned
    if "strength" in assigned:
        raise InputError("--strength and --set randomize.strength exclude each other: found both, expected one")
    return {**assigned, "strength": args.strength}


def _rendered(args: ShowArguments) -> tuple[Labelled, Tensor, Labelled]:
    """Images of the simulator, the masks (N, R, H, W) bool of its regions, and enough samples for the labels' range."""
    check_labels(args.task, args.label)
    dense = TASKS[args.task].dense
    given = {
        "label": pictured(args.task, args.label),
        "size": args.size,
        "channels": args.channels,
        "preset": args.preset,
    }
    settings: dict[str, Any] = {name: value for name, value in given.items() if value}
    if args.params is not None:
        settings |= load_parameters(args.params)
    made = simulator(args.source, **settings)
    data, masks = made.labelled(args.n, args.seed), made.sample(args.n, args.seed).masks
    none = torch.zeros(len(data), 0, *made.size, dtype=torch.bool)
    outlined = made.regions and not dense  # the masks of the task are drawn in its colours
    drawn = torch.stack([masks[region] for region in made.regions], 1) if outlined else none
    enough = args.task in (Classification.kind, Segmentation.kind) or args.n >= KNOWN_BY
    return data, drawn, data if enough else made.labelled(KNOWN_BY, args.seed)


def _loaded(args: ShowArguments) -> tuple[Labelled, Tensor, Labelled]:
    """Evenly spaced images of the folder or file, no masks, and the whole data."""
    whole = load_labelled(args.source, args.task, args.label, {**reading(args), "format": args.format})
    data = whole.subset(torch.linspace(0, len(whole) - 1, min(args.n, len(whole))).long())
    return data, torch.zeros(len(data), 0, *data.shape[1:], dtype=torch.bool), whole
