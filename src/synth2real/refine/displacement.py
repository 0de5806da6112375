"""Label displacement: how far refinement has moved what the label of an image says, measured without a label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Inputs, to_float
from ..data.fitting import Fitting
from ..data.reading.images import resize
from ..errors import InputError
from ..tasks import Classification, Detection, Gaze, Keypoints, Segmentation, Task
from ..tasks.boxes import matched
from ..tasks.prediction_distance import apart
from ..training.model import Model
from .self_regularisation import Edges

EDGES = "1 - correlation of the edges, 0 to 2"
SIDE = 128  # pixels; edges are compared at most at this size, so that fine texture is no displacement
AT_ONCE = 2**22  # pixels of the images that are compared at once
DECIMALS = 4  # of a score: what is less is rounding of the computation, by which no image is worse than another
FLAT = 1e-6  # variance of the edges below which an image has none


@dataclass(frozen=True)
class Displacement:
    """The displacement of each refined image, and which images are left out for it.

    Args:
        scores: (N,) float64, 0 if nothing has moved.
        measure: what the scores are, and their unit.
        share: of the images to leave out, 0 to below 1.
    """

    scores: Tensor
    measure: str
    share: float = 0.0

    @property
    def limit(self) -> float:
        """The highest score that is kept."""
        count = math.floor(self.share * len(self.scores) + 1e-9)  # 0.29 * 100 is 28.999...
        return float(self.scores.sort(descending=True).values[count])

    @property
    def rejected(self) -> Tensor:
        """Indices (M,) int64 of the images that are left out, the worst share. Equal scores are treated alike: kept."""
        return (self.scores > self.limit).nonzero().flatten()

    @property
    def kept(self) -> Tensor:
        """Indices (N - M,) int64 of all other images."""
        return (self.scores <= self.limit).nonzero().flatten()

    def plain(self) -> dict[str, Any]:
        """Plain data, for `of`."""
        return {"measure": self.measure, "share": self.share, "scores": self.scores.tolist()}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        """The displacement of `plain`."""
        return cls(torch.tensor(plain["scores"], dtype=torch.float64), str(plain["measure"]), float(plain["share"]))

    def notes(self) -> list[str]:
        """What the user must know: which images are left out and why, or why fewer are than was asked for."""
        if not self.share:
            return []
        count, asked = len(self.rejected), math.floor(self.share * len(self.scores) + 1e-9)
        of = f"{count} of {len(self.scores)} refined images"
        if count:
            said = [f"left out {of}, whose label displacement is above {self.limit:.3g} ({self.measure})"]
        elif asked:
            said = [
                f"no refined image was left out: the label displacement of all, or of the worst, is the same "
                f"({self.limit:.3g}), so none is worse than the others"
            ]
        else:
            said = [f"no refined image was left out: the share {self.share:g} of {len(self.scores)} is less than one"]
        if 0 < count < asked:
            said.append(f"{asked} images were to be left out; the others have the same label displacement as some kept")
        return said

    def summary(self) -> dict[str, Any]:
        """The distribution, and what was left out, as plain data."""
        quantiles = torch.quantile(self.scores, torch.tensor([0.5, 0.9, 1.0], dtype=torch.float64)).tolist()
        return {
            "measure": self.measure,
            "mean": _rounded(float(self.scores.mean())),
            **dict(zip(("median", "percentile_90", "worst"), map(_rounded, quantiles), strict=True)),
            "reject": self.share,
            "rejected": len(self.rejected),
            "limit": _rounded(self.limit),
        }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def displaced(before: Inputs, after: Inputs, judge: Model | None = None, fitting: Fitting | None = None) -> Tensor:
    """How far the label of each image has moved, (N,) float64: 0 if it has not.

    Scores are rounded to four decimals.

    With a judge, a model trained on the source, it is the distance between its answers for both images: the total
    variation distance of class probabilities (0 to 1), 1 minus the mean intersection over union of the foreground of
    masks (0 to 1; 0 if it finds none in either image), 1 minus the agreement of boxes (so, too; `boxes.matched`), the
    mean distance of points in pixels, degrees between gaze directions, or the mean difference of values in standard
    deviations of the source. A part of it is the error of the judge itself.

    Without one, it is 1 minus the correlation of the edges of both images (0 to 2): of the gradient's magnitude, at 128
    pixels at most, after the grey levels of the refined image have been mapped to those of the original one by one
    curve. It is 0 if only the tone changes, and rises with every edge that moves, appears or vanishes.

    Args:
        before, after: the same images (N, C, H, W), uint8 or float32 in 0..1, in the same order.
        judge: takes images of any size here: they are resized to its own, as it resizes images on load.
        fitting: of these images, from the original ones, in whose pixels points are measured; None if they are these.

    Raises:
        InputError: the two differ in number or shape, or the judge takes something else than images.
    """
    check_same_images(before, after)
    if judge is not None:
        check_judge(judge)
    most = max(1, AT_ONCE // before.shape[2:].numel())
    found = []
    for index in torch.arange(len(before)).split(most):
        pair = before[index], after[index]
        part = None if fitting is None else fitting.subset(index)
        found.append(_edges_moved(*pair) if judge is None else _answers_moved(*pair, judge, part))
    return torch.cat(found).double().round(decimals=DECIMALS)


def measure_of(judge: Model | None) -> str:
    """What the scores of `displaced` are, and their unit."""
    return EDGES if judge is None else _unit(judge.task)


def _unit(task: Task) -> str:
    if isinstance(task, Classification):
        return "total variation distance of the class probabilities, 0 to 1"
    if isinstance(task, Segmentation):
        return "1 - mean intersection over union of the foreground, 0 to 1"
    if isinstance(task, Detection):
        return "1 - agreement of the boxes, 0 to 1"
    if isinstance(task, Gaze):
        return "degrees between the gaze directions"
    return "pixels between the points" if isinstance(task, Keypoints) else "standard deviations of the source's labels"


def check_judge(judge: Model) -> None:
    """Raise `InputError` if a model cannot judge images alone."""
    if len(judge.shape) != 3:
        raise InputError(
            f"the judge takes features of width {judge.shape[0]}, expected a model of images. Give a run that was "
            "trained on the source images (--judge)"
        )
    if judge.given_columns:
        raise InputError(
            f"the judge takes the given columns {', '.join(judge.given_columns)} beside the image, expected a model of "
            "images alone. Train one without --given"
        )


def check_same_images(before: Inputs, after: Inputs) -> None:
    """Raise `InputError` if two sets of images differ in number or shape."""
    if len(before) != len(after):
        raise InputError(f"{len(before)} images before and {len(after)} after, expected the same images in one order")
    if before.shape != after.shape or len(before.shape) != 4:
        raise InputError(
            f"images of {tuple(before.shape[1:])} before and of {tuple(after.shape[1:])} after, expected the same "
            "images (channels, height, width) in both"
        )


def _answers_moved(before: Tensor, after: Tensor, judge: Model, fitting: Fitting | None) -> Tensor:
    (channels, height, width), how = judge.shape, judge.conversion.resize
    seen = (resize(x, (height, width), 1 if channels == 1 else 3, how) for x in (before, after))
    a, b = (judge.task.predict(judge.outputs(x)) for x in seen)
    if isinstance(judge.task, Classification):
        moved: Tensor = (a - b).abs().sum(1) / 2
        return moved
    if isinstance(judge.task, Segmentation):
        return apart(judge.task, a, b).nan_to_num(0)
    if isinstance(judge.task, Detection):  # overlaps are the same in the pixels of the images on disk
        return (1 - matched(a, b)).nan_to_num(0)
    own = Fitting(torch.tensor(before.shape[2:]).expand(len(before), 2), (height, width), how)
    a, b = (judge.task.from_input(judge.task.from_input(x, own), fitting) for x in (a, b))
    return apart(judge.task, a, b)


def _edges_moved(before: Tensor, after: Tensor) -> Tensor:
    ours, theirs = (resize(to_float(x), _shrunk(x.shape[2:]), 1) for x in (before, after))
    theirs = torch.stack([toned(one, like) for one, like in zip(theirs, ours, strict=True)])
    return 1 - _correlation(*(_steepness(x).flatten(1).double() for x in (ours, theirs)))


def toned(x: Tensor, like: Tensor) -> Tensor:
    """The image `x` after one increasing curve that gives it the grey levels of `like`, an image of the same shape.

    The darkest pixels get the darkest levels, and so on. Pixels of one level stay of one level, the mean of theirs.
    """
    _, inverse, counts = x.flatten().unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0)
    sums = F.pad(like.flatten().double().sort().values.cumsum(0), (1, 0))
    means = (sums[ends] - sums[ends - counts]) / counts
    found: Tensor = means[inverse].view(x.shape)
    return found.to(x.dtype)


def _shrunk(sides: Sequence[int]) -> tuple[int, int]:
    scale = min(1.0, SIDE / max(sides))
    height, width = (max(1, round(scale * side)) for side in sides)
    return height, width


def _steepness(grey: Tensor) -> Tensor:
    """Magnitude of the gradient, (N, h, w), without the finest noise."""
    edges: Tensor = Edges()(F.avg_pool2d(grey, 3, stride=1, padding=1, count_include_pad=False))
    steepness: Tensor = edges.norm(dim=1)
    return steepness


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Correlation of each row (N,). Of two constant rows it is 1, of one of them 0."""
    a, b = (z - z.mean(1, keepdim=True) for z in (a, b))
    spread = a.square().mean(1), b.square().mean(1)
    flat = spread[0] < FLAT, spread[1] < FLAT
    found = (a * b).mean(1) / (spread[0] * spread[1]).clamp(min=FLAT**2).sqrt()
    return torch.where(flat[0] & flat[1], 1.0, torch.where(flat[0] | flat[1], 0.0, found.clamp(-1, 1)))
