"""Arithmetic of boxes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synth2real.data.labels import Boxes
from synth2real.tasks.boxes import (
    centre_maps,
    generalised_iou,
    matched,
    matches,
    overlaps,
    suppressed,
    united,
    visible,
)

SQUARE = torch.tensor([[0.0, 0, 4, 4]])


def test_overlaps_are_intersections_over_unions():
    others = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [4, 4, 8, 8], [1, 1, 3, 3]])
    assert overlaps(SQUARE, others)[0].tolist() == pytest.approx([1, 8 / 24, 0, 4 / 16])


def test_the_generalised_iou_falls_with_the_distance_of_boxes_that_do_not_meet():
    near, far = torch.tensor([[4.0, 0, 8, 4]]), torch.tensor([[12.0, 0, 16, 4]])
    assert generalised_iou(SQUARE, SQUARE).item() == 1
    assert generalised_iou(SQUARE, near).item() == 0
    assert generalised_iou(SQUARE, far).item() == pytest.approx(-0.5)


def test_of_boxes_of_one_class_that_overlap_the_most_certain_stays():
    corners = torch.tensor([[[0.0, 0, 4, 4], [0, 0, 4, 5], [0, 0, 4, 4], [9, 9, 12, 12]]])
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.0]])
    assert suppressed(corners, scores, torch.tensor([[0, 0, 1, 0]]), 0.5).tolist() == [[True, False, True, False]]


def test_a_box_that_goes_takes_no_other_with_it():
    corners = torch.tensor([[[0.0, 0, 10, 4], [4, 0, 14, 4], [8, 0, 18, 4]]])
    kept = suppressed(corners, torch.tensor([[0.9, 0.8, 0.7]]), torch.zeros(1, 3), 0.3)
    assert kept.tolist() == [[True, False, True]]


def test_the_map_of_a_box_is_one_at_the_point_of_its_centre_and_narrower_across_its_shorter_side():
    boxes = Boxes.of([torch.tensor([[4.0, 8, 28, 16]])], [torch.zeros(1)])
    maps = centre_maps(boxes, (8, 8), (4.0, 4.0), 0.18)
    assert maps[0].max() == maps[0, 3, 4] == 1
    assert maps[0, 3, 5] > maps[0, 4, 4]


def test_agreement_counts_each_box_once_and_leaves_ignored_ones_out():
    truth = Boxes.of([torch.tensor([[0.0, 0, 4, 4], [8, 8, 12, 12]])], [torch.zeros(2)])
    twice = Boxes.of([torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4]])], [torch.zeros(2)])
    assert matched(truth, truth).tolist() == [1.0]
    assert matched(twice, truth).tolist() == [0.5]
    ignored = Boxes(truth.corners, truth.classes, truth.offsets, torch.tensor([False, True]))
    assert matched(twice.kept(torch.tensor([True, False])), ignored).tolist() == [1.0]
    nothing = Boxes.of([torch.zeros(0, 4)], [torch.zeros(0)])
    assert matched(nothing, nothing).isnan().all()
    assert matched(nothing, truth).tolist() == [0.0]


def drawn(box: list[float], side: int) -> torch.Tensor:
    """The pixels of a box, (side, side) bool."""
    at = torch.arange(side) + 0.5
    across, down = ((at >= box[axis]) & (at < box[axis + 2]) for axis in (0, 1))
    return down[:, None] & across


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.8]))
def test_a_covered_box_is_around_the_pixels_of_its_mask_that_are_left(seed, least):
    generator = torch.Generator().manual_seed(seed)
    low = torch.randint(0, 9, (3, 2), generator=generator)
    corners = torch.cat([low, low + torch.randint(1, 7, (3, 2), generator=generator)], 1).float()
    boxes = Boxes.of([corners[:2], corners[2:]], [torch.tensor([0, 1]), torch.zeros(1)])
    shown = torch.rand(2, 16, 16, generator=generator) < torch.rand(1, generator=generator)
    found = visible(boxes, shown, least)
    expected = []
    for box, image in zip(corners, boxes.image, strict=True):
        whole = drawn(box.tolist(), 16)
        left = whole & shown[image]
        if left.any() and left.sum() >= least * whole.sum():
            rows, columns = left.any(1).nonzero().flatten(), left.any(0).nonzero().flatten()
            expected.append([int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1])
    assert found.corners.tolist() == expected
    assert len(found) == 2


def test_what_is_not_covered_keeps_its_exact_place_and_its_marks():
    boxes = Boxes(
        torch.tensor([[1.3, 2.6, 7.2, 9.9]]), torch.tensor([1]), torch.tensor([0, 1]), torch.tensor([True]), None
    )
    found = visible(boxes, torch.ones(1, 12, 12, dtype=torch.bool), 1.0)
    assert torch.equal(found.corners, boxes.corners)
    assert bool(found.ignored)
    assert len(visible(boxes, torch.zeros(1, 12, 12, dtype=torch.bool), 0.0).corners) == 0


def test_sets_of_boxes_are_united_image_by_image():
    one = Boxes.of([torch.rand(2, 4), torch.rand(0, 4)], [torch.tensor([0, 1]), torch.zeros(0)])
    two = Boxes.of([torch.rand(1, 4), torch.rand(3, 4)], [torch.tensor([2]), torch.tensor([3, 4, 5])])
    found = united(one, two)
    assert found.offsets.tolist() == [0, 3, 6]
    assert found.classes.tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.equal(found[torch.tensor([1])].corners, two.corners[1:])


def test_a_match_counts_as_the_less_certain_of_both_boxes():
    one, two = (Boxes(SQUARE, torch.tensor([0]), torch.tensor([0, 1]), None, torch.tensor([s])) for s in (0.9, 0.3))
    assert matched(one, one).tolist() == [1.0]
    assert matched(one, two).item() == matched(two, one).item() == pytest.approx(0.5)
    assert matches(one, two).tolist() == [0]
    other = Boxes(SQUARE, torch.tensor([1]), torch.tensor([0, 1]))
    assert matches(one, other).tolist() == [-1]
    assert matches(one, other, by_class=False).tolist() == [0]
