"""Arithmetic of boxes."""

import pytest
import torch

from synth2real.data.labels import Boxes
from synth2real.tasks.boxes import centre_maps, generalised_iou, matched, overlaps, suppressed

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
