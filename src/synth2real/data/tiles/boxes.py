"""Boxes of tiles: those of labels are cut, and those that a model predicts are put together.

A box that crosses the border between tiles is predicted several times: whole, or cut off at an inner edge, in each tile
that sees a part of it. Two boxes of different tiles are of one object if they agree in what both tiles see. Each side
of the object is then that of a box that is not cut off there, so a cut box gives way to the whole one, and the pieces
of an object that no tile sees whole add up.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from ..labels import VISIBLE, Boxes, areas
from .tiling import Tiling

AGREE = 0.5  # IoU of two boxes in what both tiles see, from which on they are of one object
SLACK = 40  # a predicted side may be off by this part of the tile's side, and by `LEAST_SLACK` pixels
LEAST_SLACK = 2.0
Indices = NDArray[np.int64]


def cut_boxes(boxes: Boxes, tiling: Tiling, visible: float = VISIBLE) -> Boxes:
    """The boxes of images in each of their tiles, in pixels of what the tile shows of the image.

    Args:
        boxes: of the images, in their pixels.
        tiling: of the images.
        visible: a box of which less than this share of its area remains in a tile is ignored there: it is neither an
            object nor background.
    """
    ends = boxes.offsets.tolist()
    parts, found, remaining = [], [], []
    for image, view in zip(tiling.image.tolist(), _views(tiling), strict=True):
        corners = boxes.corners[ends[image] : ends[image + 1]]
        part = torch.cat([torch.maximum(corners[:, :2], view[:2]), torch.minimum(corners[:, 2:], view[2:])], 1)
        remains = areas(part)
        seen = remains.nonzero()[:, 0]
        parts.append(part[seen] - view[:2].repeat(2))
        found.append(seen + ends[image])
        remaining.append(remains[seen])
    box = torch.cat(found)
    ignored = boxes.ignored[box] | (torch.cat(remaining) < visible * areas(boxes.corners)[box])
    offsets = torch.tensor([0, *map(len, found)]).cumsum(0)
    return Boxes(torch.cat(parts), boxes.classes[box], offsets, ignored)


def merged_boxes(boxes: Boxes, tiling: Tiling) -> Boxes:
    """The boxes of images from those that were predicted in each of their tiles, the most certain ones first.

    What only a tile predicts that does not own the place is left out: a neighbour sees it better.

    Args:
        boxes: of the N tiles, in pixels of what the tile shows of the image.
        tiling: of the I images.
    """
    tile = boxes.image
    boxes = boxes.scaled(torch.ones(len(tiling), 2), tiling.corner.flip(1))
    slack = max(LEAST_SLACK, min(tiling.size) / SLACK)
    group = _objects(boxes, tiling)
    groups = int(group.max()) + 1 if len(group) else 0
    at = (boxes.corners[:, :2] + boxes.corners[:, 2:]) / 2
    own = tiling.own[tile]
    owned = ((at >= own[:, :2] - slack) & (at <= own[:, 2:] + slack)).all(1)
    kept = torch.zeros(groups, dtype=torch.bool).index_fill_(0, group[owned], True)
    firsts, corners = _sides(boxes, group.numpy(), _cut_off(boxes, tiling, slack).numpy())
    scores = torch.zeros(groups).scatter_reduce(0, group, boxes.scores, "amax")
    image = tiling.image[tile[firsts]]
    order = torch.from_numpy(np.lexsort((-scores.numpy(), image.numpy())))
    order = order[kept[order]]
    counts = torch.bincount(image[order], minlength=len(tiling.sizes))
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Boxes(corners[order], boxes.classes[firsts][order], offsets, scores=scores[order])


def _views(tiling: Tiling) -> Tensor:
    """What each tile sees, (N, 4) float32 in pixels of its image."""
    low = tiling.corner.flip(1).float()
    return torch.cat([low, low + tiling.content.flip(1)], 1)


def _cut_off(boxes: Boxes, tiling: Tiling, slack: float) -> Tensor:
    """Whether each side of each box (M, 4) ends at an edge of its tile inside the image."""
    tile = boxes.image
    view, frame = _views(tiling)[tile], tiling.sizes[tiling.image[tile]].flip(1)
    inner = torch.cat([view[:, :2] > 0, view[:, 2:] < frame], 1)
    return inner & ((boxes.corners - view).abs() <= slack)


def _objects(boxes: Boxes, tiling: Tiling) -> Tensor:
    """The number of the object of each box, (M,) int64."""
    one, two, tiles, overlap = _agreeing(boxes, tiling)
    # Of several candidates in another tile the best one, on both sides: a tile shows an object once.
    best = _best(one * len(tiling) + tiles[1], overlap) & _best(two * len(tiling) + tiles[0], overlap)
    count = len(boxes.corners)
    links = coo_array((np.ones(int(best.sum())), (one[best], two[best])), shape=(count, count))
    return torch.from_numpy(connected_components(links, directed=False)[1].astype(np.int64))


def _agreeing(boxes: Boxes, tiling: Tiling) -> tuple[Indices, Indices, tuple[Indices, Indices], NDArray[np.float32]]:
    """Pairs of boxes of one class that agree in what their tiles both see: indices, their tiles, and the IoU there."""
    tiles = _neighbours(tiling, boxes.counts)
    views = [_views(tiling)[one] for one in tiles]
    view = torch.cat([torch.maximum(views[0], views[1])[:, :2], torch.minimum(views[0], views[1])[:, 2:]], 1)
    first, second = (_seen(boxes, one, view) for one in tiles)
    counts = [np.bincount(pair, minlength=len(view)) for pair, _, _ in (first, second)]
    pair, rank = _each(counts[0] * counts[1])
    ours = _starts(counts[0])[pair] + rank // counts[1][pair]
    theirs = _starts(counts[1])[pair] + rank % counts[1][pair]
    kinds = boxes.classes.numpy()
    same = kinds[first[1][ours]] == kinds[second[1][theirs]]
    pair, ours, theirs = (part[same] for part in (pair, ours, theirs))
    a, b = first[2][ours], second[2][theirs]
    common = areas(torch.cat([torch.maximum(a, b)[:, :2], torch.minimum(a, b)[:, 2:]], 1))
    overlap = (common / (areas(a) + areas(b) - common)).numpy()
    agree = overlap >= AGREE
    pair, ours, theirs = (part[agree] for part in (pair, ours, theirs))
    return first[1][ours], second[1][theirs], (tiles[0][pair], tiles[1][pair]), overlap[agree]


def _seen(boxes: Boxes, tiles: Indices, view: Tensor) -> tuple[Indices, Indices, Tensor]:
    """What of the boxes of each of P tiles lies in its `view` (P, 4): the number of the view, the box, and its part."""
    counts = boxes.counts.numpy()[tiles]
    pair, rank = _each(counts)
    box = boxes.offsets.numpy()[tiles][pair] + rank
    corners, frame = boxes.corners[box], view[pair]
    part = torch.cat([torch.maximum(corners, frame)[:, :2], torch.minimum(corners, frame)[:, 2:]], 1)
    inside = areas(part) > 0
    return pair[inside.numpy()], box[inside.numpy()], part[inside]


def _each(counts: Indices) -> tuple[Indices, Indices]:
    """For so many things of each kind, the kind of each, and its number among those of its kind."""
    kind = np.repeat(np.arange(len(counts)), counts)
    return kind, np.arange(len(kind)) - _starts(counts)[kind]


def _starts(counts: Indices) -> Indices:
    return counts.cumsum() - counts


def _neighbours(tiling: Tiling, counts: Tensor) -> tuple[Indices, Indices]:
    """Pairs of tiles of one image that share a part of it, and both have boxes."""
    corner, size = tiling.corner, torch.tensor(tiling.size)
    ends = tiling.counts.cumsum(0)[tiling.image].tolist()
    found: list[tuple[int, Tensor]] = []
    for tile in (counts > 0).nonzero()[:, 0].tolist():
        later = slice(tile + 1, ends[tile])
        near = ((corner[later] - corner[tile]).abs() < size).all(1) & (counts[later] > 0)
        found.append((tile, near.nonzero()[:, 0] + tile + 1))
    first = [np.full(len(near), tile) for tile, near in found]
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *first]), np.concatenate([none, *(near.numpy() for _, near in found)])


def _best(key: Indices, values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which values are the highest of those with the same key; the first of equal ones."""
    order = np.lexsort((-values, key))
    best = np.zeros(len(key), bool)
    best[order[np.unique(key[order], return_index=True)[1]]] = True
    return best


def _sides(boxes: Boxes, group: Indices, cut_off: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
    """The first box of each of G objects (G,), and the corners (G, 4) of the objects.

    Each side is that of the most certain box that is not cut off there; the outermost one, if all are.
    """
    corners, scores = boxes.corners.numpy(), boxes.scores.numpy()
    sides = []
    for side in range(4):
        outward = corners[:, side] if side < 2 else -corners[:, side]
        rank = np.where(cut_off[:, side], outward, -scores)
        order = np.lexsort((rank, cut_off[:, side], group))
        firsts = order[np.unique(group[order], return_index=True)[1]]
        sides.append(corners[firsts, side])
    firsts = np.unique(group, return_index=True)[1]
    return torch.from_numpy(firsts), torch.from_numpy(np.stack(sides, 1))
