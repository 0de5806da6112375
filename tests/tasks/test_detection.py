"""Detection: its loss, its predictions, and its metrics."""

import math

import pytest
import torch
from tests.skips import optional

from synth2real.data.domains import Labelled
from synth2real.data.fitting import Fitting
from synth2real.data.labels import Boxes
from synth2real.errors import InputError
from synth2real.tasks import Detection

optional("faster_coco_eval", "detection")

TASK = Detection(("cell", "dust"), (32, 48), 4.0)
BOXES = Boxes.of(
    [torch.tensor([[4.0, 4, 16, 12], [20, 16, 28, 24]]), torch.zeros(0, 4)], [torch.tensor([0, 1]), torch.zeros(0)]
)


def perfect(boxes: Boxes = BOXES, stride: int = 4) -> torch.Tensor:
    """Raw outputs that predict these boxes and nothing else."""
    outputs = torch.full((len(boxes), 6, 32 // stride, 48 // stride), -12.0)
    for image, (left, top, right, bottom), label in zip(boxes.image, boxes.corners, boxes.classes, strict=True):
        row, column = int((top + bottom) / 2 / stride), int((left + right) / 2 / stride)
        outputs[image, label, row, column] = 12
        for y in range(outputs.shape[2]):
            for x in range(outputs.shape[3]):
                if max(abs(y - row), abs(x - column)) <= 1:
                    at = torch.tensor([(x + 0.5) * stride, (y + 0.5) * stride])
                    sides = torch.cat([at - torch.stack([left, top]), torch.stack([right, bottom]) - at])
                    outputs[image, 2:, y, x] = (sides.clamp(min=0.1) / TASK.scale).log()
    return outputs


def test_the_loss_of_right_outputs_is_small_and_that_of_wrong_ones_is_not():
    assert float(TASK.loss(perfect(), BOXES)) < 0.05
    assert float(TASK.loss(perfect().flip(3), BOXES)) > 1
    assert TASK.losses(perfect(), BOXES).shape == (2,)


def test_right_outputs_give_the_boxes_back():
    found = TASK.predict(perfect())
    assert found.counts.tolist() == [2, 0]
    order = found.classes.argsort()
    assert torch.allclose(found.corners[order], BOXES.corners, atol=0.01)
    assert found.scores.min() > 0.99


def test_images_without_boxes_have_a_loss_and_a_gradient():
    nothing = Boxes.of([torch.zeros(0, 4)] * 2, [torch.zeros(0)] * 2)
    outputs = perfect().requires_grad_()
    loss = TASK.loss(outputs, nothing)
    loss.backward()
    assert loss > 0
    assert outputs.grad.isfinite().all()


def test_ignored_boxes_change_neither_loss_nor_metrics():
    ignored = Boxes(BOXES.corners, BOXES.classes, BOXES.offsets, torch.tensor([False, True]))
    only = BOXES.kept(torch.tensor([True, False]))
    seen, unseen = perfect(), perfect(only)
    assert float(TASK.loss(seen, ignored)) == pytest.approx(float(TASK.loss(unseen, ignored)), abs=0.01)
    assert TASK.metrics(TASK.predict(seen), ignored)["ap50"] == 1.0
    assert TASK.metrics(TASK.predict(seen), only)["ap50_of"] == {"cell": 1.0, "dust": None}


def test_a_box_that_a_teacher_doubts_counts_less():
    sure = BOXES.kept(torch.tensor([True, False]))
    doubted = Boxes(sure.corners, sure.classes, sure.offsets, scores=torch.tensor([0.2]))
    nothing = torch.full((2, 6, 8, 12), -4.0)
    both = torch.cat([torch.full((2, 2, 8, 12), -4.0), torch.zeros(2, 4, 8, 12)], 1)
    assert nothing.shape == both.shape
    assert float(TASK.loss(both, doubted)) < float(TASK.loss(both, sure))


def test_a_large_box_counts_as_much_as_a_small_one():
    corners = torch.tensor([[0.0, 0, 32, 32], [36, 12, 44, 20]])
    boxes = Boxes.of([corners], [torch.tensor([0, 1])])
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(12.0), indexing="ij")
    at = torch.stack([x, y]) * 4 + 2
    losses = []
    for wrong in range(2):  # the points of one object have boxes of half a pixel, those of the other the right ones
        outputs = torch.zeros(1, 6, 8, 12)
        for index, here in enumerate((x < 9, x >= 9)):
            left_top, right_bottom = (corners[index, part, None, None] for part in (slice(2), slice(2, 4)))
            sides = torch.cat([at - left_top, right_bottom - at]).clamp(min=0.1)
            sides = torch.full_like(sides, 0.25) if index == wrong else sides
            outputs[0, 2:, here] = (sides / TASK.scale).log()[:, here]
        losses.append(float(TASK.losses(outputs, boxes)))
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


def test_what_outputs_say_at_each_point_is_a_label_for_them():
    outputs = perfect()
    labels = TASK.labels_of_points(outputs, torch.tensor([0.5, 0.5]))
    assert labels.centres.shape == (2, 2, 8, 12)
    assert (labels.weights > 0).sum() == 2
    assert float(TASK.losses(outputs, labels).sum()) < 1e-6
    assert float(TASK.losses(outputs.roll(1, 3), labels).sum()) > 1


def test_points_below_the_threshold_of_their_class_teach_no_sides():
    labels = TASK.labels_of_points(perfect(), torch.tensor([0.5, 1.0]))
    assert (labels.weights > 0).sum() == 1
    outputs = perfect().roll(2, 3).requires_grad_()
    TASK.losses(outputs, TASK.labels_of_points(perfect(), torch.tensor([1.0, 1.0]))).sum().backward()
    assert not outputs.grad[:, 2:].any()
    assert outputs.grad[:, :2].any()


def test_boxes_are_labels_of_points_which_cover_others_in_a_region():
    nothing = TASK.labels_of_points(torch.full((2, 6, 8, 12), -12.0), torch.tensor([0.5, 0.5]))
    ours = TASK.points_of(BOXES, nothing)
    assert ours.centres.flatten(2).amax(2).tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert ours.weights.sum((1, 2, 3)).tolist() == pytest.approx([2.0, 0.0])
    at = (ours.weights[0, 0] > 0).nonzero()
    assert {tuple(ours.corners[0, :, y, x].tolist()) for y, x in at.tolist()} == set(map(tuple, BOXES.corners.tolist()))
    region = torch.zeros(2, 1, 8, 12, dtype=torch.bool)
    region[:, :, :, :5] = True
    both = nothing.covered(ours, region)
    assert torch.equal(both.centres[..., :5], ours.centres[..., :5])
    assert torch.equal(both.corners[..., 5:], nothing.corners[..., 5:])
    assert both.weights.sum() == pytest.approx(1.0)


def test_the_score_of_a_box_is_that_of_its_class_at_its_centre():
    assert (TASK.scores_of(perfect(), BOXES) > 0.9).all()
    swapped = Boxes(BOXES.corners, 1 - BOXES.classes, BOXES.offsets)
    assert (TASK.scores_of(perfect(), swapped) < 0.1).all()


def test_metrics_are_those_of_coco():
    found = TASK.metrics(TASK.predict(perfect()), BOXES)
    assert found["ap50"] == found["ap75"] == found["map"] == 1.0
    assert found["ap50_of"] == {"cell": 1.0, "dust": 1.0}
    assert found["recall_of_size"] == {"small": 1.0, "medium": None, "large": None}
    half = TASK.metrics(TASK.predict(perfect(BOXES.kept(torch.tensor([True, False])))), BOXES)
    assert half["ap50"] == 0.5
    nothing = TASK.metrics(TASK.predict(torch.full((2, 6, 8, 12), -12.0)), BOXES)
    assert nothing["ap50"] == nothing["recall"] == 0.0
    assert nothing["ap50_of"] == {"cell": 0.0, "dust": 0.0}


def test_a_shifted_box_is_right_at_a_low_threshold_only():
    moved = BOXES.scaled(torch.ones(2, 2), torch.tensor([[2.0, 0], [0, 0]]))
    found = TASK.metrics(TASK.predict(perfect(moved)), BOXES)
    assert found["ap50"] == 1.0
    assert found["ap75"] < 1.0
    assert 0 < found["map"] < 1


def test_boxes_follow_the_fitting_of_their_images_and_back():
    fitting = Fitting(torch.tensor([[64, 48], [64, 96]]), (32, 48), "letterbox")
    boxes = Boxes.of([torch.tensor([[8.0, 8, 24, 24]]), torch.tensor([[8.0, 8, 24, 24]])], [torch.zeros(1)] * 2)
    inside = TASK.to_input(boxes, fitting)
    assert inside.corners.tolist() == [[16, 4, 24, 12], [4, 4, 12, 12]]
    assert torch.allclose(TASK.from_input(inside, fitting).corners, boxes.corners)


def test_no_predicted_box_lies_in_the_padding():
    fitting = Fitting(torch.tensor([[64, 48], [64, 96]]), (32, 48), "letterbox")
    wide = Boxes.of(
        [torch.tensor([[0.0, 4, 30, 20], [0, 0, 11, 9]]), torch.zeros(0, 4)], [torch.zeros(2), torch.zeros(0)]
    )
    assert TASK.from_input(wide, fitting).corners.tolist() == [[0, 8, 36, 40]]


def test_the_typical_side_is_that_of_the_images_as_the_model_takes_them():
    boxes = Boxes.of([torch.tensor([[0.0, 0, 80, 80]])], [torch.zeros(1)])
    data = Labelled(torch.zeros(1, 1, 32, 48), boxes, ("a",), sizes=torch.tensor([[320, 480]]))
    assert Detection.of(data).scale == 4.0


def test_the_head_begins_with_rare_centres():
    head = TASK.head(8, (), 0.0)
    heat = head(torch.randn(2, 8, 4, 6)).detach()[:, :2].sigmoid()
    assert float(heat.mean()) == pytest.approx(0.01, abs=0.005)


def test_labels_of_another_kind_and_sets_without_boxes_are_refused():
    images = torch.zeros(2, 1, 32, 48)
    with pytest.raises(InputError, match=r"needs boxes, found labels of whole images or pixels\. Give a folder"):
        Detection.of(Labelled(images, torch.tensor([0, 1]), ("a", "b")))
    nothing = Boxes.of([torch.zeros(0, 4)] * 2, [torch.zeros(0)] * 2)
    with pytest.raises(InputError, match="the source has no box"):
        Detection.of(Labelled(images, nothing, ("a",)))
    with pytest.raises(InputError, match="has no box, expected one or more"):
        TASK.metrics(nothing, nothing)
    assert Detection.of(Labelled(images, BOXES, ("a", "b"))).scale == 4.0
    assert not math.isnan(TASK.scale)
