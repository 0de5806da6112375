"""Arithmetic of boxes: overlap, suppression, and maps of their centres."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.labels import Boxes, areas


def intersections(one: Tensor, two: Tensor) -> Tensor:
    """Area (...) that two boxes (..., 4) have in common; shapes broadcast."""
    low, high = torch.maximum(one[..., :2], two[..., :2]), torch.minimum(one[..., 2:], two[..., 2:])
    return (high - low).clamp(min=0).prod(-1)


def overlaps(one: Tensor, two: Tensor) -> Tensor:
    """Intersection over union (A, B) of boxes (A, 4) and (B, 4)."""
    common = intersections(one[:, None], two[None])
    return common / (areas(one)[:, None] + areas(two)[None] - common).clamp(min=1e-9)


def generalised_iou(one: Tensor, two: Tensor) -> Tensor:
    """Generalised IoU (M,) in -1..1 of pairs of boxes (M, 4).

    References:
        Rezatofighi, Tsoi, Gwak, Sadeghian, Reid & Savarese (2019). Generalized Intersection over Union. CVPR.
    """
    common = intersections(one, two)
    union = (areas(one) + areas(two) - common).clamp(min=1e-9)
    low, high = torch.minimum(one[:, :2], two[:, :2]), torch.maximum(one[:, 2:], two[:, 2:])
    around = (high - low).prod(-1).clamp(min=1e-9)
    return common / union - (around - union) / around


def suppressed(corners: Tensor, scores: Tensor, classes: Tensor, most: float) -> Tensor:
    """Non-maximum suppression: which of the boxes (N, K, 4) of each image stay, (N, K) bool.

    The boxes of an image stand in falling order of their scores. A box goes if one of its class that stays, and that
    stands before it, overlaps it by more than `most` (IoU). Boxes of score 0 go.
    """
    _n, count = scores.shape
    common = intersections(corners[:, :, None], corners[:, None])
    area = (corners[..., 2:] - corners[..., :2]).clamp(min=0).prod(-1)
    over = common / (area[:, :, None] + area[:, None] - common).clamp(min=1e-9) > most
    over &= classes[:, :, None] == classes[:, None]
    stays = scores > 0
    for k in range(count):
        beaten = over[:, k] & stays[:, k : k + 1]
        beaten[:, : k + 1] = False
        stays &= ~beaten
    return stays


def centre_maps(boxes: Boxes, size: tuple[int, int], stride: tuple[float, float], spread: float) -> Tensor:
    """For each of M boxes a Gaussian around its centre, (M, h, w) in 0..1, and 1 at the point nearest to the centre.

    Args:
        boxes: in pixels of the images.
        size: height and width of the maps.
        stride: pixels per point, in height and width.
        spread: standard deviation as a share of the sides of the box.
    """
    low, high = boxes.corners[:, :2], boxes.corners[:, 2:]
    centre, sides = (low + high) / 2, high - low
    found = []
    for axis, (count, step) in ((1, (size[0], stride[0])), (0, (size[1], stride[1]))):
        at = (centre[:, axis] / step).floor().clamp(0, count - 1)
        sigma = (spread * sides[:, axis] / step).clamp(min=0.4)
        apart = torch.arange(count, device=at.device)[None] - at[:, None]
        found.append(torch.exp(-0.5 * (apart / sigma[:, None]).square()))
    rows, columns = found
    return rows[:, :, None] * columns[:, None]


def highest(maps: Tensor, group: Tensor, groups: int) -> Tensor:
    """The highest of the maps (M, h, w) of each group at each point, (groups, h, w); 0 for a group without any."""
    index = group[:, None, None].expand_as(maps)
    return maps.new_zeros(groups, *maps.shape[1:]).scatter_reduce(0, index, maps, "amax")


def matched(predicted: Boxes, truth: Boxes, least: float = 0.5) -> Tensor:
    """For each image how well two sets of boxes agree, (N,) in 0..1: twice the matches over all boxes; nan for none.

    Each box is matched once, in falling order of the predicted scores, to a box of its class that overlaps it by at
    least `least` (IoU). Ignored boxes are left out.
    """
    return torch.tensor([_matched(predicted, truth, i, least) for i in range(len(truth))], dtype=torch.float64)


def _matched(predicted: Boxes, truth: Boxes, image: int, least: float) -> float:
    one, two = (boxes[torch.tensor([image])] for boxes in (predicted, truth))
    one, two = one.kept(~one.ignored), two.kept(~two.ignored)
    total = len(one.corners) + len(two.corners)
    if total == 0:
        return float("nan")
    over = overlaps(one.corners, two.corners) * (one.classes[:, None] == two.classes[None])
    matches = 0
    for row in one.scores.argsort(descending=True).tolist():
        if over.shape[1] and float(over[row].max()) >= least:
            over[:, int(over[row].argmax())] = 0
            matches += 1
    return 2 * matches / total
