"""Boxes of tiles: cut labels, and predictions that are put together to those of the image."""

import numpy as np
import pytest
import torch

from synth2real.data.labels import Boxes
from synth2real.data.tiles.boxes import cut_boxes, merged_boxes
from synth2real.data.tiles.tiling import Tiling


def as_set(boxes: Boxes, image: int) -> list[tuple[float, ...]]:
    one = boxes[torch.tensor([image])]
    return sorted(map(tuple, torch.cat([one.corners, one.classes[:, None].float()], 1).tolist()))


def some_boxes(generator: np.random.Generator, size: tuple[int, int], most: tuple[float, float]) -> torch.Tensor:
    """Up to 30 boxes (K, 4) in an image, with sides of at most `most`."""
    (height, width), count = size, int(generator.integers(0, 30))
    x, y = generator.integers(0, width, count), generator.integers(0, height, count)
    wide, tall = (generator.integers(1, 1 + max(1, int(side)), count) for side in (most[1], most[0]))
    return torch.from_numpy(np.stack([x, y, np.minimum(x + wide, width), np.minimum(y + tall, height)], 1)).float()


@pytest.mark.parametrize("seed", range(20))
def test_boxes_that_fit_into_the_overlap_come_back_as_they_were(seed) -> None:
    generator = np.random.default_rng(seed)
    side = (int(generator.integers(16, 80)), int(generator.integers(16, 80)))
    sizes = torch.from_numpy(generator.integers(5, 300, (3, 2)))
    corners = [some_boxes(generator, tuple(size), (side[0] / 4, side[1] / 4)) for size in sizes.tolist()]
    truth = Boxes.of(corners, [torch.from_numpy(generator.integers(0, 3, len(one))) for one in corners])
    tiling = Tiling.of(sizes, side)
    found = merged_boxes(cut_boxes(truth, tiling, 0.0), tiling)
    assert [as_set(found, i) for i in range(3)] == [as_set(truth, i) for i in range(3)]


@pytest.mark.parametrize("seed", range(10))
def test_larger_boxes_that_stand_apart_are_put_together_from_their_pieces(seed) -> None:
    generator = np.random.default_rng(seed)
    side = int(generator.integers(16, 60))
    rows, columns = np.mgrid[0:4, 0:3] * 2 * side
    sides = generator.integers(2, 2 * side, (2, 12))  # up to twice a tile
    corners = np.stack(
        [columns.ravel(), rows.ravel(), columns.ravel() + sides[0], rows.ravel() + sides[1]], 1
    ) + generator.integers(0, 5)
    truth = Boxes.of([torch.from_numpy(corners).float()], [torch.zeros(12)])
    tiling = Tiling.of(torch.tensor([[8 * side + 7, 6 * side + 7]]), (side, side))
    assert as_set(merged_boxes(cut_boxes(truth, tiling, 0.0), tiling), 0) == as_set(truth, 0)


def two_tiles() -> Tiling:
    """An image of 160 by 100 in tiles of 100 by 100, from 0 and from 60: they share 60 to 100."""
    return Tiling.of(torch.tensor([[100, 160]]), (100, 100))


def predicted(first: list[tuple[float, ...]], second: list[tuple[float, ...]]) -> Boxes:
    """Boxes of the two tiles, in pixels of the image: left, top, right, bottom, score."""
    rows = [torch.tensor(one).reshape(-1, 5) for one in (first, second)]
    rows[1][:, [0, 2]] -= 60
    boxes = Boxes.of([one[:, :4] for one in rows], [torch.zeros(len(one)) for one in rows])
    return Boxes(boxes.corners, boxes.classes, boxes.offsets, scores=torch.cat([one[:, 4] for one in rows]))


def merged(first: list[tuple[float, ...]], second: list[tuple[float, ...]]) -> list[list[float]]:
    found = merged_boxes(predicted(first, second), two_tiles())
    rows = torch.cat([found.corners, found.scores[:, None]], 1)
    return [[round(value, 4) for value in row] for row in rows.tolist()]


def test_a_cut_box_gives_way_to_the_whole_one_even_if_it_is_more_certain() -> None:
    assert merged([(50, 10, 90, 30, 0.6)], [(60, 11, 91, 31, 0.9)]) == [[50, 11, 91, 31, 0.9]]


def test_a_box_that_two_tiles_see_whole_is_that_of_the_more_certain_one() -> None:
    assert merged([(70, 10, 90, 30, 0.6)], [(71, 12, 89, 30, 0.8)]) == [[71, 12, 89, 30, 0.8]]


def test_pieces_of_a_box_that_no_tile_sees_whole_add_up() -> None:
    assert merged([(40, 10, 100, 50, 0.5)], [(60, 10, 120, 50, 0.7)]) == [[40, 10, 120, 50, 0.7]]


def test_boxes_of_two_objects_stay_two() -> None:
    apart = [(70, 10, 90, 30, 0.9)], [(70, 40, 90, 60, 0.8)]
    assert len(merged(*apart)) == 2
    one_tile = [(10, 10, 30, 30, 0.9), (10, 11, 30, 31, 0.8)], []
    assert len(merged(*one_tile)) == 2  # what one tile has twice is left to its own suppression


def test_what_only_the_tile_predicts_that_does_not_own_the_place_is_left_out() -> None:
    assert merged([], [(62, 10, 70, 20, 0.9)]) == []
    assert merged([(62, 10, 70, 20, 0.9)], []) == [[62, 10, 70, 20, 0.9]]


def test_a_centre_on_the_border_between_two_own_parts_is_not_lost() -> None:
    assert len(merged([(71, 10, 90.5, 30, 0.9)], [(70, 10, 89.5, 30, 0.9)])) == 1


def test_no_boxes_at_all() -> None:
    assert merged([], []) == []
    empty = cut_boxes(Boxes.of([torch.zeros(0, 4)], [torch.zeros(0)]), two_tiles())
    assert len(empty) == 2
    assert len(empty.corners) == 0


def test_a_box_of_which_too_little_remains_is_ignored_in_that_tile() -> None:
    truth = Boxes.of([torch.tensor([[50.0, 10, 90, 30], [10, 10, 64, 30]])], [torch.zeros(2)])
    found = cut_boxes(truth, two_tiles())
    assert found.counts.tolist() == [2, 2]
    assert found.corners[2:].tolist() == [[0, 10, 30, 30], [0, 10, 4, 30]]
    assert found.ignored.tolist() == [False, False, False, True]


def test_an_ignored_box_stays_ignored_in_every_tile() -> None:
    truth = Boxes.of([torch.tensor([[70.0, 10, 90, 30]])], [torch.zeros(1)], [torch.ones(1)])
    assert cut_boxes(truth, two_tiles()).ignored.tolist() == [True, True]
