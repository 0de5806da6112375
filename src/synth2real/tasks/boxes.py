"""Arithmetic of boxes: overlap, suppression, and maps of their centres."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..data.labels import Boxes, areas

AT_ONCE = 128  # images whose boxes are matched at once


def intersections(one: Tensor, two: Tensor) -> Tensor:
    """Area (...) that two boxes (..., 4) have in common; shapes broadcast."""
    low, high = torch.maximum(one[..., :2], two[..., :2]), torch.minimum(one[..., 2:], two[..., 2:])
    return (high - low).clamp(min=0).prod(-1)


def ious(one: Tensor, two: Tensor) -> Tensor:
    """Intersection over union (...) of two boxes (..., 4); shapes broadcast."""
    common = intersections(one, two)
    return common / (areas(one) + areas(two) - common).clamp(min=1e-9)


def overlaps(one: Tensor, two: Tensor) -> Tensor:
    """Intersection over union (A, B) of boxes (A, 4) and (B, 4)."""
    return ious(one[:, None], two[None])


def generalised_iou(one: Tensor, two: Tensor) -> Tensor:
    """Generalised IoU (...) in -1..1 of two boxes (..., 4); shapes broadcast.

    References:
        Rezatofighi, Tsoi, Gwak, Sadeghian, Reid & Savarese (2019). Generalized Intersection over Union. CVPR.
    """
    common = intersections(one, two)
    union = (areas(one) + areas(two) - common).clamp(min=1e-9)
    low, high = torch.minimum(one[..., :2], two[..., :2]), torch.maximum(one[..., 2:], two[..., 2:])
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


def matches(predicted: Boxes, truth: Boxes, least: float = 0.5, *, by_class: bool = True) -> Tensor:
    """For each predicted box (M,) the index of the true box that it is matched to, int64; -1 if there is none.

    In each image, each box is matched once, in falling order of the predicted scores, to the free box that overlaps it
    most, by at least `least` (IoU).

    Args:
        predicted, truth: of the same images.
        by_class: only boxes of one class are matched.
    """
    found = torch.full_like(predicted.classes, -1)
    for part in torch.arange(len(truth), device=found.device).split(AT_ONCE):
        rows, columns = _places(predicted, part, predicted.scores), _places(truth, part, None)
        one, two = ((rows >= 0)[:, :, None], (columns >= 0)[:, None])
        over = ious(predicted.corners[rows.clamp(min=0)][:, :, None], truth.corners[columns.clamp(min=0)][:, None])
        over = over * one * two
        if by_class:
            over = over * (predicted.classes[rows][:, :, None] == truth.classes[columns][:, None])
        for k in range(rows.shape[1] if columns.shape[1] else 0):
            best, at = over[:, k].max(1)
            hit = (best >= least).nonzero().flatten()
            found[rows[hit, k]] = columns[hit, at[hit]]
            over[hit, :, at[hit]] = 0
    return found


def _places(boxes: Boxes, images: Tensor, scores: Tensor | None) -> Tensor:
    """Indices (B, K) of the boxes of some images, in falling order of their scores if there are any; -1 for none."""
    counts, starts = boxes.counts[images], boxes.offsets[:-1][images]
    within = torch.arange(int(counts.max()) if len(counts) else 0, device=starts.device).expand(len(images), -1)
    places = (starts[:, None] + within).where(within < counts[:, None], -1)
    if scores is None:
        return places
    order = (
        scores[places].where(places >= 0, -1.0).argsort(dim=1, descending=True, stable=True) if len(scores) else within
    )
    return places.gather(1, order)


def matched(predicted: Boxes, truth: Boxes, least: float = 0.5) -> Tensor:
    """For each image how well two sets of boxes agree, (N,) float64 in 0..1; nan for none.

    Twice the matches over all boxes (see `matches`). A box counts as its score, and a match as the lower of both.
    Ignored boxes are left out.
    """
    one, two = (boxes.kept(~boxes.ignored) for boxes in (predicted, truth))
    at = matches(one, two, least)
    common = torch.minimum(one.scores, two.scores[at]).where(at >= 0, 0) if len(two.scores) else 0 * one.scores
    sums = one.scores.new_zeros(len(truth), dtype=torch.float64)
    total = sums.index_add(0, one.image, one.scores.double()).index_add(0, two.image, two.scores.double())
    return 2 * sums.index_add(0, one.image, common.double()) / total


def visible(boxes: Boxes, shown: Tensor, least: float) -> Boxes:
    """The boxes of images of which only some pixels are left: around what remains of each.

    Args:
        boxes: of N images.
        shown: (N, H, W) bool, the pixels that are left.
        least: share of the pixels of a box, in 0..1, that must be left, else it is dropped.
    """
    height, width = shown.shape[1:]
    corners, kept = boxes.corners.clone(), torch.zeros_like(boxes.ignored)
    for part in torch.arange(len(kept), device=kept.device).split(AT_ONCE):
        inside = []
        for axis, side in ((0, width), (1, height)):
            at = torch.arange(side, device=kept.device) + 0.5
            inside.append((at >= corners[part, axis, None]) & (at < corners[part, axis + 2, None]))
        across, down = inside
        left = shown[boxes.image[part]] & down[:, :, None] & across[:, None]
        remains, whole = left.sum((1, 2)), down.sum(1) * across.sum(1)
        kept[part] = (remains > 0) & (remains >= least * whole)
        for axis, (line, seen) in enumerate(((across, left.any(1)), (down, left.any(2)))):
            for end, (before, after) in ((axis, (_first(line), _first(seen))), (axis + 2, (_last(line), _last(seen)))):
                corners[part, end] = torch.where(after == before, corners[part, end], after.to(corners.dtype))
    return boxes.at(corners).kept(kept)


def _first(lines: Tensor) -> Tensor:
    """Where the first pixel of each line (M, W) bool begins, (M,) int64."""
    return lines.int().argmax(1)


def _last(lines: Tensor) -> Tensor:
    """Where the last pixel of each line (M, W) bool ends, (M,) int64."""
    return lines.shape[1] - lines.flip(1).int().argmax(1)


def united(*boxes: Boxes) -> Boxes:
    """All boxes of several sets for the same images, image by image."""
    sets, count = len(boxes), len(boxes[0])
    order = torch.arange(sets * count, device=boxes[0].offsets.device).view(sets, count).T.flatten()
    every = boxes[0].joined(*boxes[1:])[order]
    return replace(every, offsets=every.offsets[::sets])
