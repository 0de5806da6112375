"""Average precision where it is known only with a probability which box is right."""

from dataclasses import replace

import pytest
import torch

from spots import field, found
from synth2real.data.labels import Boxes
from synth2real.select.validators.box_curves import against_labels, ap_shares, averages, calibrated, counts, curves
from synth2real.tasks.metrics.boxes import box_metrics

TRUTH = field(60, 0)
NAMES = ("disc", "square")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
def test_with_labels_it_is_the_average_precision_of_coco(share: float) -> None:
    predicted = found(TRUTH, share, 1)
    each = averages(against_labels(predicted, TRUTH, 2))
    known = box_metrics(predicted, TRUTH, NAMES)
    assert float(each.mean()) == pytest.approx(known["ap50"], abs=0.01)
    assert each.tolist() == pytest.approx([known["ap50_of"][name] for name in NAMES], abs=0.01)


def test_boxes_on_ignored_ones_do_not_count() -> None:
    generator = torch.Generator().manual_seed(0)
    ignored = replace(TRUTH, ignored=torch.rand(len(TRUTH.scores), generator=generator) < 0.3)
    predicted = found(TRUTH, 0.2, 1)
    found_ap = float(averages(against_labels(predicted, ignored, 2)).mean())
    assert found_ap == pytest.approx(box_metrics(predicted, ignored, NAMES)["ap50"], abs=0.02)


def test_the_shares_of_the_images_have_the_average_precision_as_their_mean() -> None:
    each = against_labels(found(TRUTH, 0.3, 2), TRUTH, 2)
    assert float(ap_shares(each).mean()) == pytest.approx(float(averages(each).mean()))


def test_an_image_that_counts_twice_is_an_image_that_is_there_twice() -> None:
    predicted = found(TRUTH, 0.3, 3)
    twice = torch.cat([torch.arange(60), torch.arange(5)])
    weights = torch.bincount(twice).double()
    ours = averages(against_labels(predicted, TRUTH, 2), weights)
    theirs = averages(against_labels(predicted[twice], TRUTH[twice], 2))
    assert ours.tolist() == pytest.approx(theirs.tolist(), abs=0.02)  # boxes of equal scores are in another order


def test_a_class_that_is_nowhere_says_nothing_unless_it_is_counted() -> None:
    only = TRUTH.kept(TRUTH.classes == 0)
    each = against_labels(only, only, 2)
    assert averages(each).isnan().tolist() == [False, True]
    assert float(ap_shares(each).mean()) == pytest.approx(1)
    assert float(ap_shares(each, torch.tensor([True, True])).mean()) == pytest.approx(0.5)


def test_boxes_that_are_right_with_a_probability_have_an_average_precision_of_about_that() -> None:
    half = torch.full((len(TRUTH.scores),), 0.5)
    each = curves(TRUTH, half, counts(TRUTH, 2))
    assert averages(each).tolist() == pytest.approx([0.25, 0.25])  # half of the boxes are right: half of the objects
    assert counts(TRUTH, 2).sum() == len(TRUTH.scores)


def test_no_box_at_all_is_an_average_precision_of_zero() -> None:
    nothing = TRUTH.kept(torch.zeros_like(TRUTH.ignored))
    assert averages(against_labels(nothing, TRUTH, 2)).tolist() == [0, 0]
    assert ap_shares(against_labels(nothing, nothing, 2)).isnan().all()
    assert len(calibrated(nothing, found(TRUTH, 0.2, 0), TRUTH, 2).scores) == 0


def test_calibration_turns_scores_into_shares_of_right_boxes_and_keeps_their_order() -> None:
    held = found(TRUTH, 0.3, 4, sure=0.5, unsure=0.1)
    made = calibrated(held, held, TRUTH, 2)
    right = torch.cat([one.right for one in against_labels(made, TRUTH, 2)])
    assert float(made.scores.mean()) == pytest.approx(float(right.mean()), abs=0.03)
    for index in range(2):
        of_class = held.classes == index
        assert torch.equal(held.scores[of_class].argsort(), made.scores[of_class].argsort())


def test_scores_stay_as_they_are_where_the_source_does_not_show_what_they_mean() -> None:
    few, target = field(3, 1), found(TRUTH, 0.2, 0)
    assert calibrated(target, few, few, 2) is target  # a handful of boxes
    assert calibrated(target, TRUTH, TRUTH, 2) is target  # all are right


def test_the_matching_of_many_images_is_that_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    from synth2real.tasks import boxes

    predicted = found(TRUTH, 0.3, 5)
    whole = boxes.matches(predicted, TRUTH)
    monkeypatch.setattr(boxes, "AT_ONCE", 7)
    assert torch.equal(boxes.matches(predicted, TRUTH), whole)
    assert isinstance(predicted, Boxes)
