"""Detection adaptation score (DAS): how flat the minimum is that a detector has found, and how its classes lie apart.

References:
    Yu, Deng, Li & Duan (2024). Towards unsupervised model selection for domain adaptive object detection. NeurIPS.
    arXiv:2412.17284.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...data.domains import Inputs, evenly, to_float
from ...data.labels import Boxes
from ...tasks import Detection
from ...tasks.boxes import matched
from ...training.featured import by_source
from ...training.model import Model
from .dense import found_boxes
from .maps import BATCH

if TYPE_CHECKING:
    from .candidate import Pool

SEEN = 100  # images on which the perturbed detectors are compared
DRAWS = 3  # perturbations of the weights
REACH = 0.02  # length of a perturbation, as a share of that of the weights of a layer


@dataclass(frozen=True)
class Probed:
    """What the detection adaptation score needs to know about a detector.

    Args:
        flatness: mean agreement (`boxes.matched`) of its boxes on the target with those of perturbed weights, 0..1.
        source, target: (C, F) float32, the mean feature at the centres of the boxes of each class, weighed by their
            scores; nan for a class without any.
    """

    flatness: float
    source: Tensor
    target: Tensor


def probe(model: Model, source: Inputs, target: Inputs, held_out: Boxes, found: Boxes) -> Probed:
    """Perturb a detector, and take the mean features of its classes.

    Args:
        model: of a task with boxes.
        source, target: inputs of `Model.inputs_of`.
        held_out, found: the boxes that it finds in them.
    """
    with by_source(model):
        ours = prototypes(model, source, held_out)
    return Probed(flatness(model, target, found), ours, prototypes(model, target, found))


def flatness(model: Model, inputs: Inputs, found: Boxes, reach: float = REACH) -> float:
    """Mean agreement of the boxes of a detector with those after its weights have moved in random directions.

    Args:
        model: stays as it is.
        inputs: of `Model.inputs_of`.
        found: its boxes for them.
        reach: length of a move, as a share of that of the weights of a layer.
    """
    some = evenly(len(inputs), SEEN)
    x, known = inputs[some], found[some]
    generator = torch.Generator().manual_seed(0)
    means = []
    for _ in range(DRAWS):
        moved = copy.deepcopy(model, {id(model.store): None})  # what stands in for images is of the weights as they are
        with torch.no_grad():
            for weight in moved.parameters():
                way = torch.randn(weight.shape, generator=generator).to(weight)
                weight.add_(way, alpha=reach * float(weight.norm() / way.norm().clamp(min=1e-12)))
        means.append(float(matched(found_boxes(moved, x), known).nanmean().nan_to_num(0)))
    return sum(means) / len(means)


@torch.no_grad()
def prototypes(model: Model, inputs: Inputs, found: Boxes) -> Tensor:
    """The mean feature (C, F) at the centres of the boxes of each class, weighed by their scores; nan without any."""
    assert isinstance(model.task, Detection)
    height, width = model.task.size
    device = next(model.parameters()).device
    model.eval()
    sums, total = torch.zeros(len(model.task.classes), model.width), torch.zeros(len(model.task.classes))
    for part in torch.arange(len(inputs)).split(BATCH):
        boxes = found[part]
        maps = model.features(to_float(inputs[part].to(device))).float().cpu()
        centre = (boxes.corners[:, :2] + boxes.corners[:, 2:]) / 2
        column = (centre[:, 0] * maps.shape[3] / width).long().clamp(0, maps.shape[3] - 1)
        row = (centre[:, 1] * maps.shape[2] / height).long().clamp(0, maps.shape[2] - 1)
        sums.index_add_(0, boxes.classes, maps[boxes.image, :, row, column] * boxes.scores[:, None])
        total.index_add_(0, boxes.classes, boxes.scores)
    return sums / total[:, None]


def prototype_ratio(source: Tensor, target: Tensor) -> float:
    """How far the prototypes of other classes lie apart, per distance of one class between the domains; 0 if unknown.

    Args:
        source, target: (C, F); nan for a class without any.
    """
    apart = torch.cdist(source.double(), target.double())
    same = torch.eye(len(apart), dtype=torch.bool)
    own, others = (apart[part][apart[part].isfinite()] for part in (same, ~same))
    return float(others.mean() / own.mean().clamp(min=1e-12)) if len(own) and len(others) else 0.0


def flat(pool: Pool) -> list[float]:
    """Agreement of the boxes of a detector with those after its weights have moved a little in random directions.

    Assumes that a detector in a flat minimum generalises. One that finds nothing agrees with nothing: it scores 0.
    """
    return [math.nan if one.probed is None else one.probed.flatness for one in pool.candidates]


def prototypical(pool: Pool) -> list[float]:
    """Distance of the mean features of different classes, per distance of those of one class in source and target.

    Assumes that the features of a class lie together in both domains where a detector is right. The boxes are its own,
    so that one that calls everything by the name of the nearest class scores well. With one class all score 0.
    """
    return [
        math.nan if one.probed is None else prototype_ratio(one.probed.source, one.probed.target)
        for one in pool.candidates
    ]


def detection_adaptation(pool: Pool) -> list[float]:
    """Detection adaptation score: `flat` and `prototypical`, each between 0 and 1 in the pool, added up.

    So the score depends on the pool. Assumes that flat minima generalise and that classes stay together. It needs no
    source labels.
    """
    return [sum(both) for both in zip(*(_between(score(pool)) for score in (flat, prototypical)), strict=True)]


def _between(scores: list[float]) -> list[float]:
    """Scores moved and scaled to 0..1; 0 if they are all alike."""
    low, high = min(scores), max(scores)
    return [(one - low) / (high - low) if high > low else 0.0 for one in scores]
