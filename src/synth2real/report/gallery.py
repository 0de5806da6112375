"""Pictures of the report: each stage of the images, mistakes and doubts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..comparison import Comparison, Entry, shipped_source
from ..domains import Inputs, to_float
from ..tasks import Classification
from .images import COLUMNS, ROWS, SHEET_SIDE, contact_sheet, thumbnails
from .plots import say
from .ranking import percent

WORST = 24  # mistakes shown, and doubts


@dataclass(frozen=True)
class Picture:
    """An image, the lines under it, and the words in its place."""

    src: str
    lines: tuple[str, ...]
    alt: str


def stages(comparison: Comparison) -> list[Picture]:
    """Contact sheets: the source as made, calibrated, widened, randomized and refined, and the target."""
    if len(comparison.target.shape) != 3:
        return []
    entries = comparison.entries
    found: list[tuple[str, str, Tensor]] = [("synthetic", "as made", first(entries[0].trials[0].run.rendered.inputs))]
    for title, room, images in (
        ("calibrated", "calibrate", rendered),
        ("widened", "widen", rendered),
        ("randomized", "randomize", randomized),
        ("refined", "refine", refined),
    ):
        entry = next((entry for entry in entries if getattr(entry.route, room) is not None), None)
        if entry is not None:
            found.append((title, f"route {entry.name}", images(entry)))
    found.append(("real", "the target", first(comparison.target.inputs)))
    return [
        Picture(contact_sheet(images), (title, how), f"{len(images)} {title} images, {how}")
        for title, how, images in found
    ]


def first(inputs: Inputs) -> Tensor:
    """As many images as a contact sheet holds."""
    return inputs[torch.arange(min(COLUMNS * ROWS, len(inputs)))]


def rendered(entry: Entry) -> Tensor:
    """The route's source before refinement."""
    return first(entry.trials[0].run.rendered.inputs)


def refined(entry: Entry) -> Tensor:
    """The route's source after refinement."""
    return first(shipped_source(entry.trials[0].run).inputs)


def randomized(entry: Entry) -> Tensor:
    """One draw of the images that the route trains on."""
    assert entry.route.randomize is not None
    return entry.route.randomize.draw(to_float(refined(entry)), torch.Generator().manual_seed(0))[0]


def mistakes(comparison: Comparison) -> list[Picture]:
    """Real images that the chosen route was surest of and wrong about; of values, those it missed by most."""
    test, task = comparison.test, comparison.task
    if test is None or len(test.shape) != 3:
        return []
    values = comparison.chosen.trials[0].run.model.predict(test.unlabelled()).values
    if isinstance(task, Classification):
        truth = task.align(test)
        sure, guesses = values.max(1)
        order = torch.where(guesses == truth, -1, sure).argsort(descending=True)[: int((guesses != truth).sum())]
    else:
        truth = test.labels
        order = (values - truth).abs().nanmean(1).nan_to_num(-1).argsort(descending=True)
    return _pictures(test.inputs, order, lambda i: (f"is {say(task, truth[i])}", f"taken for {say(task, values[i])}"))


def doubts(comparison: Comparison) -> list[Picture]:
    """Target images that the chosen route is least sure of; of values, those on which the routes differ most."""
    target, task = comparison.target, comparison.task
    if len(target.shape) != 3:
        return []
    values = comparison.chosen.trials[0].target
    if isinstance(task, Classification):
        sure = values.max(1).values
        return _pictures(target.inputs, sure.argsort(), lambda i: (f"{say(task, values[i])}?", percent(float(sure[i]))))
    together = torch.stack([entry.trials[0].target for entry in comparison.entries])
    order = together.std(0, correction=0).mean(1).argsort(descending=True)
    return _pictures(target.inputs, order, lambda i: (f"{say(task, values[i])}?",))


def _pictures(inputs: Inputs, order: Tensor, says: Callable[[int], tuple[str, ...]]) -> list[Picture]:
    worst = order[:WORST]
    lines = [says(i) for i in worst.tolist()]
    sources = thumbnails(inputs[worst], SHEET_SIDE)
    return [Picture(src, said, f"image: {', '.join(said)}") for src, said in zip(sources, lines, strict=True)]
