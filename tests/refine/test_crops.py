"""Crops: where they are cut is random, follows from seed and batch, and covers the image."""

import pytest
import torch

from synth2real.refine.crops import Crops, crop_of


@pytest.mark.parametrize(
    ("shape", "crop", "expected"),
    [
        ((3, 128, 128), None, (3, 128, 128)),
        ((3, 35, 55), None, (3, 35, 55)),
        ((3, 480, 640), None, (3, 96, 96)),
        ((1, 40, 640), None, (1, 40, 96)),
        ((1, 100, 129), None, (1, 96, 96)),
        ((1, 35, 55), 40, (1, 35, 40)),
        ((1, 35, 55), 400, (1, 35, 55)),
    ],
)
def test_small_images_are_taken_whole_and_large_ones_in_crops(shape, crop, expected) -> None:
    assert crop_of(shape, crop) == expected


def coordinates(count: int, height: int, width: int) -> torch.Tensor:
    """Images (N, 2, H, W) whose pixels hold their row and column."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows, columns]).float().expand(count, -1, -1, -1)


def test_crops_are_parts_of_their_images_at_every_place() -> None:
    crops = Crops(coordinates(400, 12, 9), (2, 10, 5), seed=0)
    assert (len(crops), crops.shape) == (400, (400, 2, 10, 5))
    found = crops[torch.arange(400)]
    assert found.shape == (400, 2, 10, 5)
    assert torch.equal(found - found[..., :1, :1], coordinates(400, 10, 5))
    corners = {tuple(corner) for corner in found[:, :, 0, 0].int().tolist()}
    assert corners == {(row, column) for row in range(3) for column in range(5)}


def test_crops_follow_from_the_seed_and_the_batch() -> None:
    x, index = coordinates(50, 40, 40), torch.arange(50)
    first, again = (Crops(x, (2, 8, 8), seed=3)[index] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, Crops(x, (2, 8, 8), seed=4)[index])
    assert not torch.equal(first, Crops(x, (2, 8, 8), seed=3)[index.flip(0)].flip(0))


def test_an_empty_batch_is_empty() -> None:
    assert Crops(coordinates(5, 9, 9), (2, 4, 4), seed=0)[torch.arange(0)].shape == (0, 2, 4, 4)
