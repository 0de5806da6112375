"""When a route is surely better than the baseline, and which samples are uncertain."""

import pytest
import torch

from discs import CLASSES, discs, hot
from synth2real.select.decision import ALONE, in_doubt, refusal, source_in_doubt, surely_better
from synth2real.tasks import Classification, Regression, Segmentation

TASK = Classification(("a", "b"))
VALUES = Regression(("x",), (0.0,), (1.0,))


@pytest.mark.parametrize(("gain", "sure"), [(0.3, True), (0.01, False), (0.0, False), (-0.3, False)])
def test_a_route_must_be_better_by_more_than_the_interval(gain: float, sure: bool) -> None:
    noise = torch.randn(100, generator=torch.Generator().manual_seed(0)).double()
    baseline = torch.rand(100, generator=torch.Generator().manual_seed(1)).double()
    assert surely_better(baseline + 0.5 * noise - 0.5 * noise.mean() + gain, baseline) == sure


def test_the_difference_is_paired() -> None:
    """Two noisy scores differ by the same small amount on every sample."""
    baseline = torch.randn(50, generator=torch.Generator().manual_seed(0)).double()
    assert surely_better(baseline + 0.01 + 1e-4 * torch.rand(50).double(), baseline)


def test_dependent_samples_need_a_larger_difference() -> None:
    """The routes differ on one person of four: significant for forty images, but not for four people."""
    people = torch.arange(40) // 10
    baseline, better = torch.zeros(40).double(), (people == 0).double()
    assert surely_better(better, baseline)
    assert not surely_better(better, baseline, people)


def test_uncertain_samples_are_listed_the_most_uncertain_first() -> None:
    confident = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.5, 0.5], [0.0, 1.0]])
    other = torch.tensor([[0.8, 0.2], [0.9, 0.1], [0.5, 0.5], [0.4, 0.6]])
    assert in_doubt([confident], TASK) == [2, 1]
    assert in_doubt([confident, other], TASK) == [2]
    assert in_doubt([torch.zeros(4, 1)], VALUES) == []


def test_between_two_candidates_agreement_cannot_say_which_is_right() -> None:
    generator = torch.Generator().manual_seed(0)
    own = torch.rand(60, 2, generator=generator).softmax(1)
    scores, baseline = torch.ones(60).double(), torch.zeros(60).double()
    scores += 0.01 * torch.rand(60, generator=generator)
    assert refusal(scores, baseline, own, [own], TASK) == ALONE
    assert refusal(scores, baseline, own, [own, own], TASK) is None
    assert refusal(scores, baseline, own, [own], TASK, voted=False) is None
    assert refusal(scores, baseline, own[:, :1], [], VALUES) is None
    assert "not significantly better" in str(refusal(baseline, scores, own, [own], TASK))


def test_doubt_about_the_source_itself_is_a_share_of_its_samples() -> None:
    sure, unsure = torch.tensor([[0.9, 0.1], [0.1, 0.9]]), torch.tensor([[0.6, 0.4], [0.1, 0.9]])
    assert source_in_doubt([sure], TASK) == 0
    assert source_in_doubt([unsure], TASK) == 0.5
    assert source_in_doubt([torch.zeros(4, 1)], VALUES) == 0


def test_images_whose_masks_are_doubtful_are_listed_the_most_doubtful_first() -> None:
    task, masks = Segmentation(CLASSES, (32, 32)), discs(3, 0).labels.tensor
    unsure = hot(masks)
    unsure[1] = 0.45
    unsure[1, 1][masks[1] == 1] = 0.55
    unsure[1, 0] = 1 - unsure[1, 1]
    unsure[2] = 0.3
    unsure[2, 1][masks[2] == 1] = 0.6
    unsure[2, 0] = 1 - unsure[2, 1]
    assert in_doubt([unsure, unsure], task) == [1, 2]
    assert in_doubt([hot(0 * masks)] * 2, task) == []
    assert source_in_doubt([unsure], task) == pytest.approx(2 / 3)


def test_between_two_candidates_for_masks_agreement_cannot_say_which_is_right() -> None:
    task, masks = Segmentation(CLASSES, (32, 32)), discs(12, 0).labels.tensor
    better, worse = torch.linspace(0.8, 0.9, 12).double(), torch.linspace(0.5, 0.6, 12).double()
    assert refusal(better, worse, hot(masks), [hot(masks)], task) == ALONE
    assert refusal(better, worse, hot(masks), [hot(masks)] * 2, task) is None
