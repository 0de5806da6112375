"""A contact sheet draws each label at its position in the image."""

import numpy as np
import pytest
import torch

from synth2real.randomize import Full, Geometric, Photometric
from synth2real.report.contact_sheet import COLOURS, Column, caption, randomized, sheet, tile
from synth2real.tasks import Classification, Gaze, Keypoints, Regression, Task

SIDE = 48
YELLOW = tuple(int(COLOURS[0][i : i + 2], 16) for i in (1, 3, 5))


def column(labels: torch.Tensor, masks: torch.Tensor | None = None) -> Column:
    n = len(labels)
    none = torch.zeros(n, 0, SIDE, SIDE, dtype=torch.bool)
    return Column("original", torch.full((n, 1, SIDE, SIDE), 0.5), labels, none if masks is None else masks)


def painted(pixels: np.ndarray) -> np.ndarray:
    """x and y of the pixels in the first colour, (K, 2)."""
    return np.argwhere((pixels == YELLOW).all(-1))[:, ::-1]


@pytest.mark.parametrize("scale", [1, 3])
def test_point_is_drawn_at_its_position(scale: int) -> None:
    drawn = painted(
        np.asarray(tile(column(torch.tensor([[20.0, 31.0]])), 0, scale, Keypoints(("x", "y"), (SIDE, SIDE))))
    )
    centre = (drawn + 0.5).mean(0) / scale - 0.5
    assert np.abs(centre - (20, 31)).max() <= 0.5


def test_arrow_points_in_the_gaze_direction() -> None:
    looks_left_and_up = torch.tensor([[0.3, 0.6]])
    drawn = painted(np.asarray(tile(column(looks_left_and_up), 0, 3, Gaze())))
    middle = (3 * SIDE - 1) / 2
    assert (drawn[:, 0] < middle - 10).sum() > (drawn[:, 0] > middle + 10).sum() + 10
    assert (drawn[:, 1] < middle - 10).sum() > (drawn[:, 1] > middle + 10).sum() + 5


@pytest.mark.parametrize("task", [Keypoints(("x", "y"), (SIDE, SIDE)), Gaze()], ids=["keypoints", "gaze"])
def test_unknown_label_is_not_drawn(task: Task) -> None:
    assert len(painted(np.asarray(tile(column(torch.full((1, 2), torch.nan)), 0, 2, task)))) == 0


def test_a_mask_is_outlined() -> None:
    masks = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.bool)
    masks[0, 0, 10:20, 12:30] = True
    drawn = painted(
        np.asarray(tile(column(torch.zeros(1, dtype=torch.int64), masks), 0, 1, Classification(("a", "b"))))
    )
    assert drawn.min(0).tolist() == [12, 10]
    assert drawn.max(0).tolist() == [29, 19]
    assert len(drawn) == 2 * 18 + 2 * 8


def test_captions_name_classes_shares_and_numbers() -> None:
    task = Classification(("cat", "dog"))
    assert caption(torch.tensor(1), task) == "dog"
    assert caption(torch.tensor([0.25, 0.75]), task) == "75% dog + 25% cat"
    assert caption(torch.tensor([1.5, -20.0]), Regression(("a", "b"), (0.0, 0.0), (1.0, 1.0))) == "1.5, -20"


def test_labels_and_masks_are_transformed_with_the_images() -> None:
    masks = torch.zeros(8, 1, SIDE, SIDE, dtype=torch.bool)
    masks[:, :, 20:29, 20:29] = True
    task = Keypoints(("x", "y"), (SIDE, SIDE))
    policy = Geometric(strength=1.0, mirror=0.0)
    moved = randomized(column(torch.full((8, 2), 24.0), masks), "1", policy, task, torch.Generator().manual_seed(0))
    grid = torch.arange(float(SIDE))
    weight = moved.masks[:, 0].float()
    centre = (
        torch.stack([(weight.sum(1) * grid).sum(1), (weight.sum(2) * grid).sum(1)], 1) / weight.sum((1, 2))[:, None]
    )
    assert (centre - moved.labels).norm(dim=1).max() < 0.8
    assert (moved.labels - 24).abs().max() > 1


def test_mixed_labels_are_shown_as_shares() -> None:
    task = Classification(("a", "b"))
    mixed = randomized(column(torch.arange(6) % 2), "1", Photometric(mixup=1.0), task, torch.Generator().manual_seed(0))
    assert mixed.labels.shape == (6, 2)


def test_the_sheet_holds_every_tile() -> None:
    original, task = column(torch.tensor([[5.0, 5.0], [9.0, 9.0]])), Keypoints(("x", "y"), (SIDE, SIDE))
    other = randomized(original, "1", Full(), task, torch.Generator().manual_seed(0))
    picture = sheet([original, other, other], task)
    assert picture.width == 3 * (3 * SIDE + 6) + 6
    assert picture.height == 18 + 2 * (3 * SIDE + 6) + 6
