"""Sets of boxes as raw outputs of a detector: matching to labelled boxes, losses, scores and predictions.

Raw outputs are (N, Q, S (C + 4)): for each of Q boxes what S stages of the network say of it, the last stage first. A
stage has a logit of each of C classes, then centre x and y, width and height as shares of the image.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.labels import Boxes, areas
from .boxes import generalised_iou, intersections, ious

# Weights of class, distance of the sides and overlap, in the costs of a match and in the loss (RT-DETR).
COST_OF_CLASS, CLASS, DISTANCE, OVERLAP = 2.0, 1.0, 5.0, 2.0
ALPHA, GAMMA = 0.75, 2.0  # varifocal loss: weight of boxes that are matched to nothing, and exponent of their score
COST_ALPHA = 0.25  # of the focal cost of a class
INSIDE = 0.5  # share of a predicted box in an ignored one, from which it counts nowhere
SEEN = 0.5  # IoU from which a predicted box shows a labelled one


def stages(outputs: Tensor, classes: int) -> list[tuple[Tensor, Tensor]]:
    """Logits (N, Q, C) and corners (N, Q, 4) as shares of the image, of each stage, the last one first."""
    found = []
    for stage in outputs.float().unflatten(2, (-1, classes + 4)).unbind(2):
        logits, centre, sides = stage.split([classes, 2, 2], 2)
        found.append((logits, torch.cat([centre - sides / 2, centre + sides / 2], 2)))
    return found


def shares_of(boxes: Boxes, size: tuple[int, int]) -> Tensor:
    """Corners (M, 4) as shares of images of `size`."""
    height, width = size
    return boxes.corners / boxes.corners.new_tensor([width, height, width, height])


@torch.no_grad()
def matched_outputs(logits: Tensor, corners: Tensor, boxes: Boxes, size: tuple[int, int]) -> Tensor:
    """The index (M,) int64 of the predicted box of each labelled one, at the lowest cost in all (Hungarian method).

    Each predicted box is matched once; -1 for the boxes of an image that has more of them than are predicted.

    Args:
        logits, corners: see `stages`.
        boxes: labelled, in pixels.
        size: height and width of the images.
    """
    from scipy.optimize import linear_sum_assignment

    truth = shares_of(boxes, size)[:, None]
    theirs = corners[boxes.image]
    said = logits[boxes.image].gather(2, boxes.classes[:, None, None].expand(-1, logits.shape[1], 1))[..., 0]
    p = said.sigmoid()
    certain, doubtful = -F.logsigmoid(said), -F.logsigmoid(-said)
    cost = COST_OF_CLASS * (COST_ALPHA * (1 - p) ** 2 * certain - (1 - COST_ALPHA) * p**2 * doubtful)
    cost += DISTANCE * _distance(theirs, truth) - OVERLAP * generalised_iou(theirs, truth)
    found = torch.full((len(truth),), -1)
    for first, last in zip(boxes.offsets[:-1].tolist(), boxes.offsets[1:].tolist(), strict=True):
        if last > first:
            rows, columns = linear_sum_assignment(cost[first:last].nan_to_num(1e6).cpu().numpy())
            found[first + torch.from_numpy(rows)] = torch.from_numpy(columns)
    return found.to(logits.device)


def set_losses(outputs: Tensor, labels: Boxes, size: tuple[int, int], classes: int) -> Tensor:
    """Loss of each image, (N,), summed over the stages, in which each box counts as its score.

    References:
        Carion, Massa, Synnaeve, Usunier, Kirillov & Zagoruyko (2020). End-to-End Object Detection with Transformers.
        ECCV. Zhang, Wang, Dayoub & Sunderhauf (2021). VarifocalNet. CVPR.
    """
    known, ignored = labels.kept(~labels.ignored), labels.kept(labels.ignored)
    total = outputs.new_zeros(len(outputs), dtype=torch.float32)
    for logits, corners in stages(outputs, classes):
        at = matched_outputs(logits, corners, known, size)
        total = total + _class_losses(logits, corners.detach(), known, at, ignored, size)
        total = total + _side_losses(corners, known, at, size)
    return total / known.scores.sum().clamp(min=1) * len(outputs)


def _class_losses(
    logits: Tensor, corners: Tensor, known: Boxes, at: Tensor, ignored: Boxes, size: tuple[int, int]
) -> Tensor:
    """Varifocal loss (N,): the score of a matched box should be its IoU, and that of any other box 0."""
    hit = at >= 0
    rows = known.image[hit], at[hit], known.classes[hit]
    overlap = ious(corners[rows[:2]], shares_of(known, size)[hit]).clamp(min=0)
    target = torch.zeros_like(logits).index_put(rows, overlap)
    weight = ALPHA * logits.detach().sigmoid() ** GAMMA * _outside(corners, rows, ignored, size)[..., None]
    weight = weight.index_put(rows, overlap * known.scores[hit])
    return F.binary_cross_entropy_with_logits(logits, target, weight, reduction="none").sum((1, 2))


def _outside(corners: Tensor, rows: tuple[Tensor, ...], ignored: Boxes, size: tuple[int, int]) -> Tensor:
    """1 for boxes (N, Q) that are matched, or that lie in no ignored box, and else 0."""
    free = torch.ones_like(corners[..., 0])
    theirs = corners[ignored.image]
    common = intersections(theirs, shares_of(ignored, size)[:, None])
    within = (common > INSIDE * areas(theirs).clamp(min=1e-9)).float()
    free = (free - torch.zeros_like(free).index_add(0, ignored.image, within)).clamp(min=0)
    return free.index_put(rows[:2], torch.ones_like(rows[0], dtype=free.dtype))


def _side_losses(corners: Tensor, known: Boxes, at: Tensor, size: tuple[int, int]) -> Tensor:
    """Distance and generalised IoU of matched boxes, (N,)."""
    hit = at >= 0
    ours, truth = corners[known.image[hit], at[hit]], shares_of(known, size)[hit]
    each = DISTANCE * _distance(ours, truth) + OVERLAP * (1 - generalised_iou(ours, truth))
    return corners.new_zeros(len(corners)).index_add(0, known.image[hit], each * known.scores[hit])


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """Sum of the differences of centres and sides of boxes (..., 4)."""
    apart = one - other
    low, high = apart[..., :2], apart[..., 2:]
    return ((low + high) / 2).abs().sum(-1) + (high - low).abs().sum(-1)


def set_scores(outputs: Tensor, boxes: Boxes, size: tuple[int, int], classes: int) -> Tensor:
    """The highest score (M,) for the class of each box among the predicted boxes that show it; 0 if none does."""
    logits, corners = stages(outputs, classes)[0]
    theirs, truth = corners[boxes.image], shares_of(boxes, size)[:, None]
    said = logits[boxes.image].gather(2, boxes.classes[:, None, None].expand(-1, logits.shape[1], 1))[..., 0]
    shows = ious(theirs, truth) >= SEEN
    return (said.sigmoid() * shows).amax(1)


def set_predicted(outputs: Tensor, size: tuple[int, int], classes: int, most: int, least: float) -> Boxes:
    """Boxes in pixels, at most `most` in an image, with scores of `least` or more. None is suppressed by another."""
    logits, corners = stages(outputs, classes)[0]
    scores, at = logits.sigmoid().flatten(1).topk(min(most, logits[0].numel()))
    height, width = size
    pixels = corners.gather(1, (at // classes)[..., None].expand(-1, -1, 4)) * corners.new_tensor(
        [width, height, width, height]
    )
    stays = scores >= least
    offsets = torch.cat([stays.new_zeros(1).long(), stays.sum(1).cumsum(0)])
    return Boxes(pixels[stays], (at % classes)[stays], offsets, scores=scores[stays]).clipped(size)
