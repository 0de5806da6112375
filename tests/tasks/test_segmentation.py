"""Segmentation: its loss, its predictions, and its metrics."""

import pytest
import torch

from synth2real.data.domains import Labelled
from synth2real.data.labels import IGNORED, Masks
from synth2real.errors import InputError
from synth2real.tasks import Segmentation
from synth2real.tasks.metrics.masks import boundary_f1, confusions, image_ious, ious, mask_metrics

TASK = Segmentation(("ground", "cell"), (8, 8))
HALF = torch.zeros(1, 8, 8, dtype=torch.uint8)
HALF[:, :, 4:] = 1


def certain(masks: torch.Tensor, classes: int = 2) -> torch.Tensor:
    """Raw outputs (N, C, H, W) that are certain of these classes."""
    return 40 * torch.nn.functional.one_hot(masks.long(), classes).movedim(-1, 1).float() - 20


def test_the_loss_is_zero_for_certain_and_right_outputs_and_large_for_wrong_ones():
    assert float(TASK.loss(certain(HALF), Masks(HALF))) == pytest.approx(0, abs=0.01)
    assert float(TASK.loss(certain(1 - HALF), Masks(HALF))) > 20


def test_ignored_pixels_change_neither_loss_nor_metrics():
    masks = HALF.clone()
    masks[:, :2] = IGNORED
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(1, 2, 8, 8, generator=generator)
    other = outputs.clone()
    other[:, :, :2] += 5
    assert torch.equal(TASK.losses(outputs, Masks(masks)), TASK.losses(other, Masks(masks)))
    ours, theirs = (TASK.metrics(TASK.predict(x), Masks(masks)) for x in (outputs, other))
    assert {k: v for k, v in ours.items() if k != "boundary_f1"} == {
        k: v for k, v in theirs.items() if k != "boundary_f1"
    }


def test_an_image_without_a_known_pixel_has_no_cross_entropy():
    nothing = Masks(torch.full((1, 8, 8), IGNORED, dtype=torch.uint8))
    assert TASK.loss(torch.randn(1, 2, 8, 8), nothing).isfinite()


def test_shares_of_classes_are_labels_too():
    shares, known = TASK.shares(Masks(HALF))
    outputs = torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    assert known.all()
    assert torch.equal(TASK.losses(outputs, shares), TASK.losses(outputs, Masks(HALF)))


def test_outputs_of_a_lower_resolution_are_enlarged_to_the_images():
    assert TASK.predict(certain(HALF[:, ::2, ::2])).shape == (1, 8, 8)
    assert torch.equal(TASK.predict(certain(HALF[:, ::2, ::2])), HALF)


def test_intersections_and_unions_are_counted():
    truth = torch.tensor([[[0, 0, 1, 1], [0, IGNORED, 1, 2]]], dtype=torch.uint8)
    guess = torch.tensor([[[0, 1, 1, 1], [0, 0, 0, 2]]], dtype=torch.uint8)
    counts = confusions(guess, truth, 3)
    assert counts.tolist() == [[[2, 1, 0], [1, 2, 0], [0, 0, 1]]]
    assert ious(counts)[0].tolist() == [2 / 4, 2 / 4, 1.0]
    assert image_ious(counts).tolist() == [0.75]


def test_metrics_are_averages_over_classes_and_over_images_with_a_foreground():
    empty = torch.zeros_like(HALF)
    truth, guess = torch.cat([HALF, HALF, empty]), torch.cat([HALF, empty, empty])
    found = mask_metrics(guess, Masks(truth), ("ground", "cell"))
    assert found["iou_of"] == {"ground": 128 / 160, "cell": 32 / 64}
    assert found["mean_iou"] == pytest.approx((0.8 + 0.5) / 2)
    assert found["image_iou"] == 0.5  # of one and none; the third has no foreground
    assert found["pixel_accuracy"] == 160 / 192
    assert mask_metrics(empty, Masks(empty), ("ground", "cell"))["image_iou"] is None


def test_a_foreground_that_is_predicted_where_there_is_another_one_counts_as_wrong():
    truth = torch.tensor([[[1, 1], [0, 0]]], dtype=torch.uint8)
    guess = torch.tensor([[[1, 1], [2, 0]]], dtype=torch.uint8)
    assert image_ious(confusions(guess, truth, 3)).tolist() == [0.5]


def test_boundaries_agree_within_a_tolerance():
    one, two = (HALF.roll(by, 2) for by in (1, 2))
    assert boundary_f1(HALF, HALF).tolist() == [1.0]
    assert boundary_f1(one[:, :, 1:], HALF[:, :, 1:]).tolist() == [1.0]  # one pixel is the least tolerance
    assert boundary_f1(two[:, :, 2:], HALF[:, :, 2:]).tolist() == [0.0]
    assert boundary_f1(torch.zeros_like(HALF), torch.zeros_like(HALF)).isnan().all()
    assert boundary_f1(torch.zeros_like(HALF), HALF).tolist() == [0.0]


def test_masks_of_another_set_are_aligned_by_the_names_of_their_classes():
    swapped = Labelled(torch.zeros(1, 1, 8, 8), Masks(HALF), ("cell", "ground"))
    assert torch.equal(TASK.align(swapped).tensor, 1 - HALF)
    with pytest.raises(InputError, match="the evaluated data holds the class 'dust'"):
        TASK.align(Labelled(torch.zeros(1, 1, 8, 8), Masks(HALF), ("cell", "dust")))
    with pytest.raises(InputError, match="expected masks to evaluate on"):
        TASK.align(Labelled(torch.zeros(1, 1, 8, 8), torch.tensor([0]), ("cell", "ground")))


def test_other_labels_than_masks_are_refused():
    with pytest.raises(InputError, match=r"needs masks, found the classes a, b for whole images\. Put masks beside"):
        Segmentation.of(Labelled(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]), ("a", "b")))
    with pytest.raises(InputError, match=r"masks of 1 classes \(ground\), expected 2 to 255"):
        Segmentation(("ground",), (8, 8))


def test_predictions_of_another_size_are_refused():
    with pytest.raises(InputError, match="predicted masks of 4x4 for labels of 8x8"):
        mask_metrics(HALF[:, :4, :4], Masks(HALF), ("ground", "cell"))
    with pytest.raises(InputError, match="no pixel of a known class, only 255"):
        mask_metrics(HALF, Masks(torch.full_like(HALF, IGNORED)), ("ground", "cell"))
