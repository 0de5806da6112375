"""Masks in the report: drawn over images in half-transparent colours, and a table by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...comparison.comparison import SOURCE_ONLY, Comparison, RouteCandidate
from ...comparison.evaluation import some
from ...data.labels import IGNORED, Masks
from ...tasks import Segmentation
from ...tasks.metrics.masks import confusions, image_ious
from ...tasks.prediction_distance import most_probable
from .. import overlay
from ..images import pixels
from ..overlay import colours
from ..ranking import form_of, percent

SIDE = 128  # longer side of an image with masks, in pixels
GAP = 2  # grey pixels between an image and its copy


@dataclass(frozen=True)
class ClassRow:
    """One class of the task, as texts of a table.

    Args:
        name, colour: of the class; the background has no colour.
        cells: by the heading of a column.
    """

    name: str
    colour: str
    cells: dict[str, str]


def legend(comparison: Comparison) -> list[tuple[str, str]]:
    """Name and colour of each class that is drawn; empty for other tasks."""
    task = comparison.task
    return list(zip(task.classes[1:], colours(task.outputs), strict=True)) if isinstance(task, Segmentation) else []


def overlaid(images: Tensor, masks: Tensor, task: Segmentation) -> Tensor:
    """Images under their masks, (N, 3, h, w) uint8.

    Args:
        images: (N, C, H, W) uint8, or float32 in 0..1.
        masks: (N, H, W) uint8; the background is not coloured.
        task: of the masks.
    """
    below = plain(images)
    drawn = F.interpolate(masks[:, None].float(), below.shape[2:], mode="nearest")[:, 0].to(torch.uint8)
    return overlay.overlaid(below, drawn, task.outputs)


def beside(*panels: Tensor) -> Tensor:
    """Images (N, 3, h, w) uint8 side by side, with a grey gap."""
    parts = [F.pad(panel, (0, GAP), value=128) for panel in panels[:-1]]
    return torch.cat([*parts, panels[-1]], 3)


def plain(images: Tensor) -> Tensor:
    """Images in the size and form of `overlaid`, without masks."""
    return pixels(images, SIDE).expand(-1, 3, -1, -1)


def shares_text(task: Segmentation, mask: Tensor) -> str:
    """Which share of an image each class of the foreground takes, as text."""
    known = mask[mask != IGNORED]
    shares = torch.bincount(known.flatten().long(), minlength=task.outputs)[1:].double() / max(1, known.numel())
    seen = [f"{name} {percent(share)}" for name, share in zip(task.classes[1:], shares.tolist(), strict=True) if share]
    return ", ".join(seen[:3]) or f"only {task.classes[0]}"


def image_errors(predicted: Tensor, truth: Masks, task: Segmentation) -> Tensor:
    """IoU of the foreground in each image, (N,) float64; 0 if one is predicted that no label has, nan without any."""
    counts = torch.cat(
        [confusions(predicted[part], truth[part].tensor, task.outputs) for part in torch.arange(len(truth)).split(64)]
    )
    found = image_ious(counts)
    wrongly = (counts[:, :, 1:].sum((1, 2)) > 0) & ~found.isfinite()
    return torch.where(wrongly, 0.0, found)


def class_table(comparison: Comparison) -> list[ClassRow]:
    """How large each class is in source and target, and how well it is found; empty for other tasks."""
    task = comparison.task
    if not isinstance(task, Segmentation):
        return []
    shown = reference_and_chosen(comparison)
    source = _areas(some(shown[0].trials[0].run.rendered).labels.tensor, task)
    iou = form_of(task.metric)
    columns: dict[str, list[str]] = {"share of source labels": [percent(share) for share in source.tolist()]}
    for candidate in shown:
        masks = most_probable(candidate.trials[0].target)
        columns[f"predicted share of target, {candidate.name}"] = [percent(s) for s in _areas(masks, task).tolist()]
    for where in ("source", "real"):
        for candidate in shown:
            found = _iou_of(candidate, where)
            if found is not None:
                label = f"IoU on {'held-out source' if where == 'source' else 'real labels'}, {candidate.name}"
                columns[label] = ["-" if found[name] is None else iou(found[name]) for name in task.classes]
    painted = ["", *colours(task.outputs)]
    return [
        ClassRow(name, painted[i], {title: cells[i] for title, cells in columns.items()})
        for i, name in enumerate(task.classes)
    ]


def _iou_of(candidate: RouteCandidate, where: str) -> dict[str, Any] | None:
    trial = candidate.trials[0]
    metrics = trial.source_metrics if where == "source" else trial.test_metrics
    found = None if metrics is None else metrics["iou_of"]
    return found if isinstance(found, dict) else None  # a single run on labelled data has nothing held out


def reference_and_chosen(comparison: Comparison) -> list[RouteCandidate]:
    """The routes of a table: the baseline or source only, and the chosen one."""
    known = {one.name: one for one in comparison.candidates}
    first = known.get(comparison.baseline) or known.get(SOURCE_ONLY) or comparison.chosen
    return list({one.name: one for one in (first, comparison.chosen)}.values())


def _areas(masks: Tensor, task: Segmentation) -> Tensor:
    """Share of each class of the pixels that are not ignored, (C,)."""
    counts = torch.bincount(masks.flatten().long(), minlength=IGNORED + 1)[: task.outputs].double()
    return counts / counts.sum().clamp(min=1)
