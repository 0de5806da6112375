"""Accuracies from agreements: right if classifiers err independently, and as known if agreements show nothing."""

import pytest
import torch
from torch import Tensor

from synth2real.select.agreement_rates import ALIKE, MOVED, OFF, accuracies_from_agreements, pairs

KNOWN = torch.full((4,), 2.0, dtype=torch.float64)


def agreements(accurate: Tensor, alike: float = ALIKE) -> Tensor:
    """The agreement of each pair by the law."""
    one, other = torch.combinations(torch.arange(len(accurate)), 2).T
    p, q = accurate[one], accurate[other]
    return p * q + alike * (1 - p) * (1 - q)


def test_pairs_are_in_order() -> None:
    votes = torch.tensor([[0, 1, 2], [0, 1, 1], [1, 1, 2]])
    assert pairs(votes).tolist() == [[1, 1, 0], [0, 1, 1], [0, 1, 0]]


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("truth", [(0.95, 0.85, 0.6, 0.75), (0.9, 0.9, 0.9, 0.3)])
def test_agreements_by_the_law_give_the_accuracies(classes: int, truth: tuple[float, ...]) -> None:
    accurate = torch.tensor(truth, dtype=torch.float64)
    agreed = agreements(accurate, 1.0 if classes == 2 else ALIKE)
    found = accuracies_from_agreements(agreed, KNOWN, classes)
    assert torch.allclose(found.logits.sigmoid(), accurate, atol=0.07)  # pulled towards the known
    step = 1e-3 * torch.tensor([1.0, -1, 1, 1, -1, 1], dtype=torch.float64)
    again = accuracies_from_agreements(agreed + step, KNOWN, classes)
    assert torch.allclose(again.logits - found.logits, found.moved @ step, rtol=0.3, atol=1e-3)


def test_accuracies_that_agreements_do_not_determine_stay_as_known() -> None:
    """Near an accuracy of 1 the agreements hardly change, so the logit depends on the known accuracy alone."""
    high = torch.full((4,), 12.0, dtype=torch.float64)
    found = accuracies_from_agreements(agreements(high.sigmoid()), high, 10)
    assert torch.allclose(found.logits, high, atol=1e-3)
    assert torch.allclose(found.off, torch.full((4,), MOVED).double(), rtol=0.01)


def test_many_classifiers_give_no_smaller_deviation_than_seven() -> None:
    def spread(count: int) -> float:
        same = torch.full((count,), 0.8, dtype=torch.float64)
        return float(accuracies_from_agreements(agreements(same), same.logit(), 10).off[0])

    assert spread(4) > 1.1 * spread(7)
    assert spread(20) == pytest.approx(spread(7), rel=0.1)
    assert spread(7) > OFF
