"""Maps of a dense task in the form in which candidates are compared: small enough to keep those of all candidates.

Maps of probabilities have at most `SIDE` points a side, and fewer if there are many classes, so that those of 1,000
images take 32 MB at most (`compact_size`). The size follows from the task alone: source and target are compared at one
resolution, because the intersection over union depends on it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.domains import Inputs, to_float
from ...data.labels import IGNORED, Masks
from ...tasks import Segmentation
from ...tasks.segmentation import enlarged
from ...training.given import append, move_given, split
from ...training.model import Model
from ...transforms.warp import Warp

SIDE, LEAST = 64, 16  # points of the longer side of maps, at most and at least
VALUES, IMAGES = 2**24, 1000  # most values of the maps of so many images
BATCH = 64  # images at once
FAR: dict[str, Any] = {"shift": 0.16, "rotation": 25.0}  # moves; larger than the warps of randomization


def compact_size(task: Segmentation) -> tuple[int, int]:
    """Height and width of the maps on which candidates are compared."""
    side = min(SIDE, max(LEAST, math.isqrt(VALUES // (IMAGES * task.outputs))))
    scale = min(1.0, side / max(task.size))
    height, width = (max(1, round(scale * length)) for length in task.size)
    return height, width


def compact_maps(model: Model, inputs: Inputs) -> Tensor:
    """Probabilities of a model for inputs of `Model.inputs_of`, (N, C, h, w) float16 of `compact_size`."""
    task = model.task
    assert isinstance(task, Segmentation)
    size = compact_size(task)
    parts = torch.arange(len(inputs)).split(BATCH)
    return torch.cat([shrunk(task, model.outputs(inputs[part]), size).half() for part in parts])


def shrunk(task: Segmentation, outputs: Tensor, size: tuple[int, int]) -> Tensor:
    """Probabilities (N, C, h, w) float32 of raw outputs at another size: the mean of finer ones, else bilinear."""
    if outputs.shape[2] <= size[0] and outputs.shape[3] <= size[1]:
        return task.probabilities(enlarged(outputs.float(), size))
    return F.adaptive_avg_pool2d(task.probabilities(outputs), size)


def compact_labels(task: Segmentation, labels: Masks) -> Tensor:
    """The class with the largest share of each point, (N, h, w) uint8; `IGNORED` where most of it is."""
    size, found = compact_size(task), []
    for part in torch.arange(len(labels)).split(BATCH):
        shares, known = task.shares(labels[part])
        most = F.adaptive_avg_pool2d(shares * known[:, None], size).argmax(1).to(torch.uint8)
        inside = F.adaptive_avg_pool2d(known[:, None].float(), size)[:, 0] >= 0.5
        found.append(torch.where(inside, most, IGNORED))
    return torch.cat(found)


def moved_masks(model: Model, inputs: Inputs, original: Tensor) -> tuple[Tensor, Tensor]:
    """Masks that are expected for moved images, and those predicted for them, (N, h, w) uint8 each of `compact_size`.

    The images are shifted and rotated. What was outside of the image is `IGNORED` in the expected masks.

    Args:
        model: trained.
        inputs: target images as the model takes them.
        original: the masks predicted for them, (N, h, w) uint8 of `compact_size`.
    """
    height, width = inputs.shape[2:]
    sizes = (height, width), (original.shape[1], original.shape[2])
    # The amplitudes are shares of the frame, so that equal random numbers give the same move at both sizes.
    whole, small = (Warp.sample(len(inputs), size, generator=torch.Generator().manual_seed(0), **FAR) for size in sizes)
    expected, predicted = [], []
    for part in torch.arange(len(inputs)).split(BATCH):
        x, given = split(to_float(inputs[part]), len(model.given_columns))
        warp = whole.subset(part)
        turned = None if given is None else move_given(given, model.given_columns, warp)
        predicted.append(compact_maps(model, append(warp.image(x), turned)).argmax(1).to(torch.uint8))
        expected.append(torch.where(_inside(small.subset(part)), _mask(small.subset(part), original[part]), IGNORED))
    return torch.cat(expected), torch.cat(predicted)


def _mask(warp: Warp, masks: Tensor) -> Tensor:
    return warp.mask(masks[:, None])[:, 0]


def _inside(warp: Warp) -> Tensor:
    """Whether each pixel of warped images shows something that was inside of the original ones, (N, H, W) bool."""
    height, width = warp.size
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    at = torch.stack([columns, rows], -1).view(1, -1, 2).float().expand(len(warp), -1, -1)
    before = warp.inverse_points(at) + 0.5
    inside: Tensor = ((before >= 0) & (before <= before.new_tensor([width, height]))).all(2)
    return inside.view(-1, height, width)
