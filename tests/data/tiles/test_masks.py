"""Masks of whole images: labels of different sizes, and maps of tiles that are blended without seams."""

import pytest
import torch
from torch.nn import functional as F

from synth2real.data.labels import IGNORED
from synth2real.data.tiles.inputs import Tiles
from synth2real.data.tiles.masks import WholeMasks, blended, by_image, window
from synth2real.data.tiles.tiling import Tiling
from synth2real.data.tiles.wholes import HeldWholes

SIZES = [(40, 70), (16, 20), (17, 21), (5, 100), (9, 7)]


@pytest.mark.parametrize("side", [(16, 16), (16, 20), (33, 16), (64, 128)])
def test_a_mask_that_is_cut_and_put_together_is_itself(side) -> None:
    generator = torch.Generator().manual_seed(0)
    masks = [torch.randint(0, 4, size, generator=generator, dtype=torch.uint8) for size in SIZES]
    tiling = Tiling.of(torch.tensor(SIZES), side)
    tiles = Tiles(HeldWholes([mask.numpy() for mask in masks], side), tiling.image, tiling.corner)
    every = tiles[torch.arange(len(tiles))]
    known = every.where(every != IGNORED, 0)
    maps = by_image(F.one_hot(known.long(), 4).movedim(-1, 1).float().split(3), tiling.counts.tolist())
    for image, (mask, of_tiles) in enumerate(zip(masks, maps, strict=True)):
        assert torch.equal(blended(of_tiles, tiling, image), mask)


def test_a_seam_is_blended() -> None:
    """Two tiles that disagree: the class changes where the weights are equal, in the middle of what both see."""
    tiling = Tiling.of(torch.tensor([[16, 28]]), (16, 16))
    maps = torch.zeros(2, 2, 16, 16)
    maps[0, 0], maps[1, 1] = 1, 1
    found = blended(maps, tiling, 0)
    assert torch.equal(found, (torch.arange(28) >= 14).to(torch.uint8).expand(16, -1))


def test_weights_fall_smoothly_to_the_edges() -> None:
    weights = window((15, 20))
    assert float(weights.min()) > 0
    assert float(weights.max()) == pytest.approx(float(weights[7, 9]))
    assert torch.allclose(weights, weights.flip(0, 1))
    assert bool((weights[7, :10].diff() > 0).all())


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_batches_of_outputs_are_sorted_by_image(batch) -> None:
    outputs = torch.arange(10)
    found = list(by_image(outputs.split(batch), [3, 1, 6]))
    assert [one.tolist() for one in found] == [[0, 1, 2], [3], [4, 5, 6, 7, 8, 9]]


def test_labels_of_images_of_different_sizes() -> None:
    arrays = [torch.full(size, i, dtype=torch.uint8).numpy() for i, size in enumerate(SIZES)]
    masks = WholeMasks(HeldWholes(arrays, (16, 16)))
    table = torch.arange(255, -1, -1, dtype=torch.uint8)
    assert [int(masks[i][0, 0]) for i in range(len(masks))] == [0, 1, 2, 3, 4]
    assert int(masks.mapped(table)[1][0, 0]) == 254
    assert int(masks.mapped(table).mapped(table)[1][0, 0]) == 1
    part = masks.mapped(table).subset(torch.tensor([4, 2])).subset(torch.tensor([1]))
    assert len(part) == 1
    assert part[0].shape == SIZES[2]
    assert int(part[0][0, 0]) == 253
