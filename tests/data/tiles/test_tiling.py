"""Where tiles lie: they cover every pixel, overlap by a quarter, and own parts that do not overlap."""

from itertools import pairwise

import pytest
import torch

from synth2real.data.tiles.tiling import Tiling, own_parts, starts

SIZES = torch.tensor([[40, 70], [16, 16], [17, 33], [5, 100], [16, 9], [100, 41]])
SIDE = (16, 20)


@pytest.mark.parametrize("side", [16, 17, 31, 64])
def test_tiles_cover_a_side_evenly_and_overlap_by_a_quarter_or_more(side) -> None:
    for length in range(1, 5 * side):
        found = starts(length, side)
        steps = [after - before for before, after in pairwise(found)]
        assert found[0] == 0
        assert found[-1] == max(0, length - side)
        assert all(0 < step <= side - side / 4 for step in steps)
        assert not steps or max(steps) - min(steps) <= 1
        if len(found) > 2:  # with one tile less, they would overlap by less than a quarter
            assert (length - side) / (len(found) - 2) > side - -(-side // 4)


def test_an_image_that_is_one_pixel_larger_has_two_tiles() -> None:
    assert starts(64, 64) == (0,)
    assert starts(65, 64) == (0, 1)
    assert own_parts(65, 64) == ((0.0, 32.5), (32.5, 65.0))


def test_every_pixel_is_in_a_tile_and_in_one_own_part() -> None:
    tiling = Tiling.of(SIZES, SIDE)
    for image, (height, width) in enumerate(SIZES.tolist()):
        seen, owned = torch.zeros(2, height, width, dtype=torch.int64)
        rows, columns = torch.arange(height)[:, None] + 0.25, torch.arange(width) + 0.25
        for tile in tiling.tiles_of(torch.tensor([image])).tolist():
            (top, left), (tall, wide) = tiling.corner[tile].tolist(), tiling.content[tile].tolist()
            assert top + tall <= height
            assert left + wide <= width
            seen[top : top + tall, left : left + wide] += 1
            near, upper, far, lower = tiling.own[tile].tolist()
            owned += (rows >= upper) & (rows < lower) & (columns >= near) & (columns < far)
        assert int(seen.min()) >= 1
        assert bool((owned == 1).all())


def test_tiles_are_named_by_their_image_and_their_place() -> None:
    tiling = Tiling.of(torch.tensor([[16, 32], [8, 8]]), (16, 20), ("a.png", "b.png"))
    assert tiling.tile_names == ("a.png [0, 0]", "a.png [12, 0]", "b.png [0, 0]")
    assert Tiling.of(SIZES, SIDE).tile_names == ()


def test_a_subset_has_a_tiling_if_it_holds_whole_images() -> None:
    tiling = Tiling.of(SIZES, SIDE, tuple("abcdef"))
    part = tiling.subset(tiling.tiles_of(torch.tensor([3, 0])))
    assert part is not None
    assert part.names == ("d", "a")
    assert torch.equal(part.sizes, SIZES[[3, 0]])
    assert torch.equal(part.counts, tiling.counts[[3, 0]])
    assert torch.equal(part.corner, Tiling.of(SIZES[[3, 0]], SIDE).corner)
    every = torch.arange(len(tiling))
    assert tiling.subset(every[1:]) is None
    assert tiling.subset(every.flip(0)) is None
    assert tiling.subset(torch.cat([every, every])) is None
    one = tiling.tiles_of(torch.tensor([1]))
    assert tiling.subset(torch.cat([one, one])) is None


@pytest.mark.parametrize("most", [1, 4, 10, 1000])
def test_parts_hold_whole_images_in_order(most) -> None:
    tiling = Tiling.of(SIZES, SIDE)
    parts = list(tiling.parts(most))
    assert torch.equal(torch.cat(parts), torch.arange(len(tiling)))
    assert all(tiling.subset(part) is not None for part in parts)
    assert all(len(part) <= most + int(tiling.counts.max()) for part in parts)
