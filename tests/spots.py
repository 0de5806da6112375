"""Small detection problems: images of discs and squares, and boxes with errors of a known kind."""

from dataclasses import replace

import torch
from torch import Tensor

from synth2real.data.domains import Labelled
from synth2real.data.labels import Boxes
from synth2real.tasks import Detection

CLASSES = ("disc", "square")
SIDE = 32
TASK = Detection(CLASSES, (SIDE, SIDE), 4.0)


def spots(
    count: int, seed: int, *, side: int = SIDE, noise: float = 0.05, level: float = 0.8, most: int = 3
) -> Labelled:
    """Up to `most` bright discs and squares on a dark ground in each image, (count, 1, side, side) uint8."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    images = torch.full((count, side, side), 0.2)
    corners, classes = [], []
    for image in images:
        number = int(torch.randint(0, most + 1, (1,), generator=generator))
        middle = torch.rand(number, 2, generator=generator) * (side - 8) + 4
        kind = torch.randint(0, 2, (number,), generator=generator)
        for (x, y), square in zip(middle.tolist(), kind.tolist(), strict=True):
            across, down = (columns + 0.5 - x).abs(), (rows + 0.5 - y).abs()
            image[torch.maximum(across, down) < 4 if square else across**2 + down**2 < 16] = level
        corners.append(torch.cat([middle - 4, middle + 4], 1))
        classes.append(kind)
    grey = images + noise * torch.randn(images.shape, generator=generator)
    pixels = (grey.clamp(0, 1) * 255).round().to(torch.uint8)
    return Labelled(pixels[:, None], Boxes.of(corners, classes), classes=CLASSES)


def field(count: int, seed: int, each: int = 4) -> Boxes:
    """Boxes that do not overlap: `each` in every image, on a grid, the classes at random."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.stack([torch.arange(16) % 4, torch.arange(16) // 4], 1) * 8.0
    low = torch.stack([places[torch.randperm(16, generator=generator)[:each]] for _ in range(count)])
    classes = torch.randint(0, 2, (count, each), generator=generator)
    return Boxes.of(list(torch.cat([low, low + 7], 2)), list(classes))


def found(truth: Boxes, share: float, seed: int, sure: float = 0.9, unsure: float = 0.2) -> Boxes:
    """Predictions: a share of the boxes is missed, and as many wrong ones are found, of which half are less certain."""
    generator = torch.Generator().manual_seed(seed)
    missed = torch.rand(len(truth.scores), generator=generator) < share
    wrong = truth.kept(torch.rand(len(truth.scores), generator=generator) < share)
    wrong = wrong.at(wrong.corners + torch.tensor([4.0, 4, 4, 4]))
    parts = (rated(truth.kept(~missed), sure, generator), rated(wrong, (sure + unsure) / 2, generator))
    return together(*parts)


def rated(boxes: Boxes, score: float, generator: torch.Generator) -> Boxes:
    """The boxes with scores around this one."""
    spread = 0.08 * torch.randn(len(boxes.scores), generator=generator)
    return replace(boxes, scores=(score + spread).clamp(0.01, 0.99))


def together(one: Boxes, two: Boxes) -> Boxes:
    """The boxes of both, image by image."""
    every = torch.arange(len(one))
    parts = [(one[every[i : i + 1]], two[every[i : i + 1]]) for i in range(len(one))]
    made = Boxes.of(*([torch.cat([getattr(a, n), getattr(b, n)]) for a, b in parts] for n in ("corners", "classes")))
    scores: Tensor = torch.cat([part.scores for pair in parts for part in pair])
    return replace(made, scores=scores)
