"""Pictures of the report: each stage of the images, mistakes and doubts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..comparison.comparison import Comparison, RouteCandidate, shipped_source
from ..data.domains import Inputs, Labelled, Unlabelled, name_of, to_float
from ..measure.data_checks import outliers_among
from ..select.validators import together
from ..tasks import Classification, Gaze, Keypoints, Task
from ..tasks.directions import to_vectors
from .images import COLUMNS, ROWS, SHEET_SIDE, contact_sheet, thumbnails
from .plots import say
from .ranking import percent

Mark = tuple[float, float, float, float, str]
Says = Callable[[int], tuple[str, ...]]
Marks = Callable[[int], tuple[Mark, ...]]
FEWEST = 50  # target images, below which none can be told to be unlike the others
CROSS = 4.0  # half a cross, percent of the image
WORST = 24  # mistakes shown, and doubts


@dataclass(frozen=True)
class Picture:
    """An image, the lines under it, the words in its place, and what is drawn over it.

    Args:
        marks: strokes from x, y to x, y in percent of the image's width and height, each with its class of style.
        ratio: of width to height.
    """

    src: str
    lines: tuple[str, ...]
    alt: str
    marks: tuple[Mark, ...] = ()
    ratio: float = 1.0


def stages(comparison: Comparison) -> list[Picture]:
    """Contact sheets: the source as made, calibrated, widened, randomized and refined, and the target."""
    if len(comparison.target.shape) != 3:
        return []
    candidates = comparison.candidates
    found: list[tuple[str, str, Tensor]] = [
        ("synthetic", "as made", first(candidates[0].trials[0].run.rendered.inputs))
    ]
    for title, room, images in (
        ("calibrated", "calibrate", rendered),
        ("widened", "widen", rendered),
        ("randomized", "randomize", randomized),
        ("refined", "refine", refined),
    ):
        candidate = next((candidate for candidate in candidates if getattr(candidate.route, room) is not None), None)
        if candidate is not None:
            found.append((title, f"route {candidate.name}", images(candidate)))
    found.append(("real", "the target", first(comparison.target.inputs)))
    return [
        Picture(contact_sheet(images), (title, how), f"{len(images)} {title} images, {how}")
        for title, how, images in found
    ]


def first(inputs: Inputs) -> Tensor:
    """As many images as a contact sheet holds."""
    return inputs[torch.arange(min(COLUMNS * ROWS, len(inputs)))]


def rendered(candidate: RouteCandidate) -> Tensor:
    """The route's source before refinement."""
    return first(candidate.trials[0].run.rendered.inputs)


def refined(candidate: RouteCandidate) -> Tensor:
    """The route's source after refinement."""
    return first(shipped_source(candidate.trials[0].run).inputs)


def randomized(candidate: RouteCandidate) -> Tensor:
    """One draw of the images that the route trains on."""
    assert candidate.route.randomize is not None
    return candidate.route.randomize.draw(to_float(refined(candidate)), torch.Generator().manual_seed(0))[0]


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
    seen = _in_image(task, values, test), _in_image(task, truth, test)

    def marks(i: int) -> tuple[Mark, ...]:
        return (*_marks(task, seen[1][i], test.shape, "true"), *_marks(task, seen[0][i], test.shape, "said"))

    def says(i: int) -> tuple[str, ...]:
        return f"is {say(task, truth[i])}", f"taken for {say(task, values[i])}"

    return _pictures(test.inputs, order, says, marks)


def doubts(comparison: Comparison) -> list[Picture]:
    """Target images that all routes together are least sure of; of values, those on which they differ most."""
    target, task = comparison.target, comparison.task
    if len(target.shape) != 3:
        return []
    every = [candidate.trials[0].target for candidate in comparison.candidates]
    if isinstance(task, Classification):
        said = together(every, task)
        sure = said.max(1).values
        return _pictures(target.inputs, sure.argsort(), lambda i: (f"{say(task, said[i])}?", percent(float(sure[i]))))
    values = comparison.chosen.trials[0].target
    order = torch.stack(every).std(0, correction=0).mean(1).argsort(descending=True)
    seen = _in_image(task, values, target)
    return _pictures(
        target.inputs,
        order,
        lambda i: (f"{say(task, values[i])}?",),
        lambda i: _marks(task, seen[i], target.shape, "said"),
    )


def outliers(comparison: Comparison) -> list[Picture]:
    """Target images that belong to neither domain, the strangest first, by what is known without any training."""
    target, source = comparison.target, comparison.candidates[0].trials[0].run.rendered
    if len(target.shape) != 3 or len(target) < FEWEST:
        return []
    order = torch.tensor(outliers_among(target.inputs, source.inputs), dtype=torch.int64)
    return _pictures(target.inputs, order, lambda i: (name_of(target, i),))


def _in_image(task: Task, values: Tensor, domain: Labelled | Unlabelled) -> Tensor:
    """Points as they stand in the images that the model saw; anything else as it is."""
    return values if isinstance(task, Classification) else task.to_input(values, domain.sizes, domain.shape[1:])


def _marks(task: Task, value: Tensor, shape: tuple[int, ...], style: str) -> tuple[Mark, ...]:
    """A cross on each point, or an arrow the way an eye looks; nothing for other tasks."""
    height, width = shape[1:]
    if isinstance(task, Gaze) and value.isfinite().all():
        x, y, _ = to_vectors(value[None])[0].tolist()
        tip = 50 + 45 * x * min(height, width) / width, 50 + 45 * y * min(height, width) / height
        return ((50.0, 50.0, *tip, f"{style} arrow"),)
    if not isinstance(task, Keypoints):
        return ()
    crosses: list[Mark] = []
    for x, y in (value.view(-1, 2) + 0.5).tolist():
        if x == x and y == y:  # nan: unknown
            across, down = 100 * x / width, 100 * y / height
            tall = CROSS * width / height
            crosses += [
                (across - CROSS, down, across + CROSS, down, style),
                (across, down - tall, across, down + tall, style),
            ]
    return tuple(crosses)


def _pictures(inputs: Inputs, order: Tensor, says: Says, marks: Marks = lambda i: ()) -> list[Picture]:
    worst = order[:WORST]
    lines = [says(i) for i in worst.tolist()]
    sources = thumbnails(inputs[worst], SHEET_SIDE)
    ratio = inputs.shape[3] / inputs.shape[2]
    return [
        Picture(src, said, f"image: {', '.join(said)}", marks(i), ratio)
        for src, said, i in zip(sources, lines, worst.tolist(), strict=True)
    ]
