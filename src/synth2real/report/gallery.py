"""Images of the report: every stage, the largest errors, the most uncertain images and the outliers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..comparison.comparison import Comparison, RouteCandidate
from ..comparison.evaluation import SHOWN
from ..data.domains import Inputs, Labelled, Unlabelled, evenly, name_of, to_float
from ..data.labels import Boxes
from ..data.tiles.cutting import as_samples
from ..data.unpadded import unpadded
from ..measure.data_checks import outliers_among
from ..refine.displacement import Displacement, displaced, measure_of
from ..select.decision import certainty
from ..select.validators import together
from ..tasks import Classification, Detection, Gaze, Keypoints, Segmentation, Task
from ..tasks.boxes import matched
from ..tasks.directions import to_vectors
from .dense import boxes, masks
from .images import COLUMNS, ROWS, SHEET_SIDE, contact_sheet, thumbnails
from .plots import label_text
from .ranking import number, percent

Mark = tuple[float, float, float, float, str]
Lines = Callable[[int], tuple[str, ...]]
Marks = Callable[[int], tuple[Mark, ...]]
FEWEST = 50  # target images; with fewer, outliers cannot be detected
CROSS = 4.0  # half the size of a cross, in percent of the image
WORST, PAIRED = 24, 12  # images in a gallery, and in one with masks or boxes
PAIRS, SCORED = 6, 200  # pairs of images before and after refinement, and images among which the worst are found


@dataclass(frozen=True)
class Picture:
    """An image with its caption and marks.

    Args:
        src: the image as a `data:` address.
        lines: of the caption.
        alt: alternative text.
        marks: lines over the image: start x, y and end x, y in percent of its width and height, and a CSS class.
        ratio: width divided by height.
    """

    src: str
    lines: tuple[str, ...]
    alt: str
    marks: tuple[Mark, ...] = ()
    ratio: float = 1.0


def stages(comparison: Comparison) -> list[Picture]:
    """Contact sheets: the unchanged source, the calibrated, widened, randomized and refined source, and the target."""
    if len(comparison.target.shape) != 3:
        return []
    candidates = comparison.candidates
    found: list[tuple[str, str, Tensor]] = [
        ("synthetic", "unchanged", first(candidates[0].trials[0].run.rendered.inputs))
    ]
    for title, stage, images in (
        ("calibrated", "calibrate", rendered),
        ("widened", "widen", rendered),
        ("randomized", "randomize", randomized),
        ("refined", "refine", refined),
    ):
        candidate = next((candidate for candidate in candidates if getattr(candidate.route, stage) is not None), None)
        if candidate is not None:
            found.append((title, f"route “{candidate.name}”", images(candidate)))
    found.append(("real", "target", first(comparison.target.inputs)))
    return [
        Picture(contact_sheet(images), (title, how), f"{len(images)} {title} images, {how}")
        for title, how, images in found
    ]


def first(inputs: Inputs) -> Tensor:
    """The first images, as many as fit on a contact sheet."""
    return inputs[torch.arange(min(COLUMNS * ROWS, len(inputs)))]


def rendered(candidate: RouteCandidate) -> Tensor:
    """The first source images of the route, before refinement."""
    return first(candidate.trials[0].run.rendered.inputs)


def refined(candidate: RouteCandidate) -> Tensor:
    """The first source images of the route, after refinement."""
    return first(candidate.trials[0].run.trained_on.inputs)


def randomized(candidate: RouteCandidate) -> Tensor:
    """One random version of the images that the route trains on, by the policy as the task has it."""
    assert candidate.route.randomize is not None
    policy = candidate.route.randomize.settled(candidate.trials[0].run.model.task)
    return policy.draw(to_float(refined(candidate)), torch.Generator().manual_seed(0))[0]


def mistakes(comparison: Comparison) -> list[Picture]:
    """Real test images, or tiles of them, with the largest errors of the chosen route.

    For classes: wrong predictions, highest confidence first. For values: largest error first. For masks: lowest IoU
    first. For boxes: the lowest share that is matched.
    """
    test, task = comparison.test, comparison.task
    test = None if test is None else as_samples(test)
    if test is None or len(test.shape) != 3:
        return []
    values: Any = comparison.chosen.trials[0].run.model.predict(test.unlabelled()).values
    if isinstance(task, Segmentation):
        return _worst_masks(test, values, task)
    if isinstance(task, Detection):
        return _worst_boxes(test, values, task)
    if isinstance(task, Classification):
        truth = task.align(test)
        sure, guesses = values.max(1)
        order = torch.where(guesses == truth, -1, sure).argsort(descending=True)[: int((guesses != truth).sum())]
    else:
        truth = test.labels
        order = (values - truth).abs().nanmean(1).nan_to_num(-1).argsort(descending=True)
    seen = _in_image(task, values, test), _in_image(task, truth, test)

    def marks(i: int) -> tuple[Mark, ...]:
        return (*_marks(task, seen[1][i], test.shape, "true"), *_marks(task, seen[0][i], test.shape, "predicted"))

    def lines(i: int) -> tuple[str, ...]:
        return f"true: {label_text(task, truth[i])}", f"predicted: {label_text(task, values[i])}"

    return _pictures(test.inputs, order, lines, marks)


def doubts(comparison: Comparison) -> list[Picture]:
    """The most uncertain target images.

    For classes: lowest average confidence of all routes first. For values: greatest spread between routes first. For
    masks and boxes: lowest certainty of all routes together first.
    """
    target, task = comparison.target, comparison.task
    if len(target.shape) != 3:
        return []
    every = [candidate.trials[0].target for candidate in comparison.learners]
    if task.dense:
        sure = certainty(every, task)
        order = sure.nan_to_num(1.0).argsort(stable=True)[: min(PAIRED, int(sure.isfinite().sum()))]
        what = "agreement" if isinstance(task, Detection) else "expected IoU"
        lines = [(f"{what}: {float(sure[i]):.2f}",) for i in order.tolist()]
        return _found(comparison, evenly(len(target), SHOWN)[order], lines)
    if isinstance(task, Classification):
        mean = together(every, task)
        confidence = mean.max(1).values
        return _pictures(
            target.inputs,
            confidence.argsort(),
            lambda i: (f"predicted: {label_text(task, mean[i])}", f"confidence: {percent(float(confidence[i]))}"),
        )
    values = comparison.chosen.trials[0].target
    order = torch.stack(every).std(0, correction=0).mean(1).argsort(descending=True)
    seen = _in_image(task, values, target)
    return _pictures(
        target.inputs,
        order,
        lambda i: (f"predicted: {label_text(task, values[i])}",),
        lambda i: _marks(task, seen[i], target.shape, "predicted"),
    )


def found_in_target(comparison: Comparison) -> list[Picture]:
    """Some target images, each beside its copy with the masks or boxes of the chosen route; empty for other tasks."""
    target = comparison.target
    if not comparison.task.dense:
        return []
    index = evenly(len(target), PAIRED)
    return _found(comparison, index, [(name_of(target, i),) for i in index.tolist()])


def _found(comparison: Comparison, index: Tensor, lines: Sequence[tuple[str, ...]]) -> list[Picture]:
    """Target images beside their copies with the masks or boxes of the chosen route, with captions."""
    seen, task = comparison.target.subset(index), comparison.task
    images = seen.inputs[torch.arange(len(seen))]
    said: Any = comparison.chosen.trials[0].run.model.predict(seen).values
    if isinstance(task, Detection):
        clear = boxes.shown(said)
        pairs = boxes.pair(images, None, task.to_input(clear, seen.fitting), task)
        return _pairs(pairs, [(*line, text) for line, text in zip(lines, boxes.texts(task, clear), strict=True)])
    assert isinstance(task, Segmentation)
    pairs = masks.beside(masks.plain(images), masks.overlaid(images, said, task))
    return _pairs(pairs, [(*line, masks.shares_text(task, one)) for line, one in zip(lines, said, strict=True)])


def _pairs(pairs: Tensor, lines: Sequence[tuple[str, ...]]) -> list[Picture]:
    """Images side by side, (N, 3, h, w) uint8, with captions."""
    return _pictures(pairs, torch.arange(len(pairs)), lambda i: lines[i], side=max(pairs.shape[2:]))


def _worst_boxes(test: Labelled, values: Boxes, task: Detection) -> list[Picture]:
    """Test images with their labels (left) and with the predicted boxes (right), the lowest agreement first."""
    truth, clear = task.align(test), boxes.shown(values)
    agree = matched(clear, truth)
    worst = agree.nan_to_num(2.0).argsort(stable=True)[: min(PAIRED, int(agree.isfinite().sum()))]
    ours, theirs = (task.to_input(one, test.fitting)[worst] for one in (truth, clear))
    lines = [
        (name_of(test, i), f"agreement: {float(agree[i]):.2f}", f"true: {true}", f"predicted: {found}")
        for i, true, found in zip(worst.tolist(), boxes.texts(task, ours), boxes.texts(task, theirs), strict=True)
    ]
    return _pairs(boxes.pair(test.inputs[worst], ours, theirs, task), lines)


def _worst_masks(test: Labelled, values: Tensor, task: Segmentation) -> list[Picture]:
    """Test images with their labels (left) and with the predicted masks (right), lowest IoU first."""
    truth = task.align(test)
    ious = masks.image_errors(values, truth, task)
    worst = ious.nan_to_num(2.0).argsort(stable=True)[: min(PAIRED, int(ious.isfinite().sum()))]
    images = test.inputs[worst]
    drawn = (masks.overlaid(images, one, task) for one in (truth[worst].tensor, values[worst]))
    pairs = masks.beside(*drawn)
    return _pairs(pairs, [(name_of(test, i), f"IoU: {float(ious[i]):.2f}") for i in worst.tolist()])


def outliers(comparison: Comparison) -> list[Picture]:
    """Target images that differ from both domains, largest difference first. No training is needed to find them."""
    target, source = comparison.target, comparison.candidates[0].trials[0].run.rendered
    if len(target.shape) != 3 or len(target) < FEWEST:
        return []
    order = torch.tensor(outliers_among(unpadded(target).inputs, unpadded(source).inputs), dtype=torch.int64)
    return _pictures(target.inputs, order, lambda i: (name_of(target, i),))


def displacements(comparison: Comparison) -> list[Picture]:
    """Source images beside their refined versions, largest label displacement first, of the first route that refines.

    The edges are compared, in some of the images, if the route has no displacement by a model.
    """
    candidate = next((one for one in comparison.candidates if one.route.refine is not None), None)
    run = None if candidate is None else candidate.trials[0].run
    if run is None or run.refined is None or len(comparison.target.shape) != 3:
        return []
    found, index = run.displacement, torch.arange(len(run.rendered))
    if found is None:
        index = evenly(len(run.rendered), SCORED)
        found = Displacement(displaced(run.rendered.inputs[index], run.refined[index]), measure_of(None))
    order = found.scores.argsort(descending=True, stable=True)[:PAIRS]
    worst = index[order]
    pairs = torch.cat([run.rendered.inputs[worst], run.refined[worst]], 3)
    lines = [
        (name_of(run.rendered, i), f"displacement: {number(float(found.scores[at]))}")
        for i, at in zip(worst.tolist(), order.tolist(), strict=True)
    ]
    return _pictures(pairs, torch.arange(len(pairs)), lambda i: lines[i])


def _in_image(task: Task, values: Tensor, domain: Labelled | Unlabelled) -> Tensor:
    """Values in the coordinates of the model's input images. Class probabilities are returned unchanged."""
    return values if isinstance(task, Classification) else task.to_input(values, domain.fitting)


def _marks(task: Task, value: Tensor, shape: tuple[int, ...], style: str) -> tuple[Mark, ...]:
    """Keypoints: a cross on each point. Gaze: an arrow in the gaze direction. Other tasks: nothing."""
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


def _pictures(
    inputs: Inputs, order: Tensor, lines: Lines, marks: Marks = lambda i: (), side: int = SHEET_SIDE
) -> list[Picture]:
    """The first `WORST` images in this order, at most `side` pixels long, with captions and marks."""
    worst = order[:WORST]
    captions = [lines(i) for i in worst.tolist()]
    sources = thumbnails(inputs[worst], side)
    ratio = inputs.shape[3] / inputs.shape[2]
    return [
        Picture(src, caption, f"image: {', '.join(caption)}", marks(i), ratio)
        for src, caption, i in zip(sources, captions, worst.tolist(), strict=True)
    ]
