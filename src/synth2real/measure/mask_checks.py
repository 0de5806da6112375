"""What is wrong with masks: classes without pixels, empty masks, and alike images with different masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..data.domains import Labelled
from ..data.labels import IGNORED, Masks

FEW_IMAGES, FEW_PIXELS = 10, 16  # a class that fewer images show, or on average with fewer pixels, is hardly learnt
MOSTLY = 0.5  # share of pixels that count nowhere from which there is a warning, and of masks that are empty
AGREE = 0.5  # share of the foreground of two masks that must be the same, else they are different
PART = 256  # masks at once


def described(domain: Labelled) -> dict[str, Any]:
    """For each class its share of the known pixels and the number of images that show it; and what is not known."""
    counts = torch.cat([_counts(part) for part in _parts(domain.labels)])
    known = counts[:, : len(domain.classes)]
    total = known.sum(0).double() / known.sum().clamp(min=1)
    seen = (known > 0).sum(0)
    rows = zip(domain.classes, total.tolist(), seen.tolist(), known.sum(0).tolist(), strict=True)
    return {
        "masks": {name: {"share": share, "images": images, "pixels": pixels} for name, share, images, pixels in rows},
        "empty": int((known[:, 1:].sum(1) == 0).sum()),
        "ignored": float(counts[:, IGNORED].sum() / counts.sum()),
    }


def warnings_of(domains: dict[str, dict[str, Any]]) -> list[str]:
    """What to look at in the masks of some domains; `domains` has what is known of each, also that of `described`."""
    return [line for name, found in domains.items() if "masks" in found for line in _warnings(name, found)]


def _warnings(name: str, found: dict[str, Any]) -> list[str]:
    lines = []
    for one, of in found["masks"].items():
        if of["images"] == 0:
            lines.append(
                f"{name}: the class '{one}' has no pixel in any mask, so it cannot be learnt. Is its id right?"
            )
        elif of["images"] < FEW_IMAGES and of["images"] < found["count"]:
            lines.append(
                f"{name}: only {of['images']} of {found['count']} masks show the class '{one}', expected {FEW_IMAGES} "
                "or more"
            )
        elif of["pixels"] < FEW_PIXELS * of["images"]:
            lines.append(
                f"{name}: the class '{one}' has {of['pixels'] / of['images']:.0f} pixels in an image that shows it, on "
                f"average, expected {FEW_PIXELS} or more. Is there a larger --size that shows it better?"
            )
    if found["empty"] > MOSTLY * found["count"]:
        first = next(iter(found["masks"]))
        lines.append(f"{name}: {found['empty']} of {found['count']} masks are empty: they hold only '{first}'")
    if found["ignored"] > MOSTLY:
        lines.append(f"{name}: {found['ignored']:.0%} of the pixels of its masks count nowhere ({IGNORED})")
    return lines


def different(masks: Masks, pairs: Tensor) -> Tensor:
    """Which pairs (P, 2) of images have masks that differ in half of their foreground or more, (P,) bool."""
    found = []
    for part in pairs.split(PART):
        one, other = (masks[part[:, i]].tensor for i in (0, 1))
        known = (one != IGNORED) & (other != IGNORED)
        shown = ((one > 0) | (other > 0)) & known
        same = (shown & (one == other)).sum((1, 2)).double()
        found.append(same < AGREE * shown.sum((1, 2)))
    return torch.cat(found)


def _parts(masks: Masks) -> Iterator[Tensor]:
    return (masks[index].tensor for index in torch.arange(len(masks)).split(PART))


def _counts(masks: Tensor) -> Tensor:
    """How many pixels of each value each mask has, (N, 256) int64."""
    counts = torch.zeros(len(masks), IGNORED + 1, dtype=torch.int64)
    flat = masks.flatten(1).long()
    return counts.scatter_add_(1, flat, torch.ones_like(flat))
