"""Reasons to refuse a route that its score does not show."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import spots
from discs import CLASSES, discs, hot
from synth2real.select.estimates import Estimate
from synth2real.select.guards import astray, constant, contradicted, renamed
from synth2real.select.validators import CandidateOutputs, Moved
from synth2real.tasks import Classification, Keypoints, Regression, Segmentation

TASK = Classification(("bolt", "gear", "valve"))
VALUES = Regression(("x",), (0.0,), (1.0,))
MASKS = Segmentation(CLASSES, (32, 32))
TRUTH = torch.arange(300) % 3


def answers(classes: Tensor, confidence: float = 0.96) -> Tensor:
    """Probabilities (N, 3) with this confidence in the given classes."""
    rest = (1 - confidence) / 2
    return F.one_hot(classes, 3) * (confidence - rest) + rest


def noisy(wrong: float, seed: int) -> Tensor:
    """Classes of which a share is wrong at random."""
    generator = torch.Generator().manual_seed(seed)
    changed = (TRUTH + torch.randint(1, 3, (300,), generator=generator)) % 3
    return torch.where(torch.rand(300, generator=generator) < wrong, changed, TRUTH)


def outputs(target: Tensor) -> CandidateOutputs:
    return CandidateOutputs(target, target[:30])


@pytest.mark.parametrize(("others", "found"), [(0, True), (5, True), (30, False)])
def test_a_constant_prediction_is_named_with_its_class(others: int, found: bool) -> None:
    classes = torch.where(torch.arange(300) < others, 0, 2)
    reason = constant(outputs(answers(classes)), TASK)
    assert (reason == f"it predicts 'valve' for {300 - others} of 300 samples") == found
    assert (reason is not None) == found


def test_probabilities_that_hardly_change_tell_nothing_apart() -> None:
    assert "hardly apart" in str(constant(outputs(answers(TRUTH, 0.36)), TASK))
    assert constant(outputs(answers(TRUTH, 0.6)), TASK) is None


def test_interchanged_classes_of_boxes_are_found_and_named() -> None:
    truth = spots.field(60, 0)
    others = [spots.found(truth, 0.1, seed) for seed in (1, 2)]
    own = spots.found(truth, 0.1, 3)
    swapped = replace(own, classes=1 - own.classes)
    reason = str(renamed(swapped, others, spots.TASK))
    assert "most boxes that it calls 'disc' they call 'square'" in reason or "calls 'square' they call 'disc'" in reason
    assert renamed(own, others, spots.TASK) is None
    assert "it finds 0 boxes an image" in str(
        constant(CandidateOutputs(own.kept(own.classes < 0), others[0]), spots.TASK)
    )


def test_constant_values_are_found() -> None:
    assert constant(CandidateOutputs(torch.ones(9, 1), torch.ones(3, 1)), VALUES) is not None
    assert constant(CandidateOutputs(torch.rand(9, 1), torch.ones(3, 1)), VALUES) is None


def test_two_interchanged_classes_are_found_and_named() -> None:
    swapped = answers(torch.tensor([1, 0, 2])[noisy(0.05, 0)])
    others = [answers(noisy(0.4, seed)) for seed in (1, 2)]
    reason = str(renamed(swapped, others, TASK))
    assert "that it calls 'bolt' they call 'gear'" in reason or "that it calls 'gear' they call 'bolt'" in reason
    assert renamed(answers(noisy(0.05, 0)), others, TASK) is None


def test_noise_is_no_renaming() -> None:
    """Best renamings of random predictions agree better by chance, but not on the other half of the samples."""
    generator = torch.Generator().manual_seed(0)
    found = 0
    for seed in range(40):
        random = answers(torch.randint(3, (300,), generator=generator))
        found += renamed(random, [answers(noisy(0.5, 2 * seed + k)) for k in (1, 2)], TASK) is not None
    assert found <= 4


def test_a_renaming_needs_two_other_routes_and_classes() -> None:
    swapped = answers(torch.tensor([1, 0, 2])[TRUTH])
    assert renamed(swapped, [answers(TRUTH)], TASK) is None
    assert renamed(torch.rand(9, 1), [torch.rand(9, 1)] * 2, VALUES) is None


def test_an_estimate_below_the_interval_of_the_baseline_contradicts_the_score() -> None:
    base = Estimate(0.8, 0.7, 0.9)
    assert "(0.6) is worse than that of the baseline (0.7 to 0.9)" in str(
        contradicted(Estimate(0.6, 0.4, 0.8), base, TASK)
    )
    assert contradicted(Estimate(0.75, 0.6, 0.9), base, TASK) is None
    assert contradicted(None, base, TASK) is None
    assert contradicted(Estimate(1.2, 1.0, 1.4), base, VALUES) is not None
    assert contradicted(Estimate(0.6, 0.4, 0.8), base, VALUES) is None


@pytest.mark.parametrize(("slope", "noise", "found"), [(1.0, 0.5, True), (0.3, 0.5, True), (0.2, 8.0, False)])
def test_points_that_do_not_follow_moves_are_named(slope: float, noise: float, found: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    before, move, errors = torch.randn(3, 400, 2, generator=generator)
    moved = Moved(before, before + 4 * move, before + 4 * slope * move + noise * errors)
    reason = astray(CandidateOutputs(before, before[:30], moved), Keypoints(("x", "y"), (32, 32)))
    assert (reason is None) == found
    if reason:
        assert reason.startswith("its predictions hardly follow known moves of the image: the correlation is 0.1")
    assert astray(CandidateOutputs(before, before[:30], moved), VALUES) is None


def test_masks_without_a_foreground_are_no_choice() -> None:
    masks = discs(20, 0).labels.tensor
    assert constant(CandidateOutputs(hot(masks), hot(masks)), MASKS) is None
    assert "it predicts 'disc' for 0.00%" in str(constant(CandidateOutputs(hot(0 * masks), hot(masks)), MASKS))


def test_interchanged_classes_of_masks_are_found_and_named() -> None:
    masks = discs(20, 0).labels.tensor
    others = [hot(masks, sure=0.9), hot(masks.roll(1, 2), sure=0.9)]
    assert renamed(hot(masks), others, MASKS) is None
    assert "most pixels that it calls 'disc' they call 'background'" in str(renamed(hot(1 - masks), others, MASKS))


def test_an_iou_below_that_of_the_baseline_contradicts_the_score() -> None:
    assert contradicted(Estimate(0.6, 0.5, 0.7), Estimate(0.8, 0.7, 0.9), MASKS) is not None
    assert contradicted(Estimate(0.8, 0.7, 0.9), Estimate(0.6, 0.5, 0.7), MASKS) is None
    assert astray(CandidateOutputs(torch.zeros(1), torch.zeros(1)), MASKS) is None
