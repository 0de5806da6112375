"""Estimates of the target's class shares: exact where only the shares differ."""

import pytest
import torch

from synth2real.errors import InputError
from synth2real.measure.priors import bbse, confusion, mlls

SOURCE = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
TARGET = torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64)
SAID_GIVEN_TRUE = torch.tensor([[0.8, 0.1, 0.2], [0.1, 0.7, 0.2], [0.1, 0.2, 0.6]], dtype=torch.float64)


def test_confusion_counts_predicted_and_true_classes() -> None:
    said = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 1.0]])
    found = confusion(said, torch.tensor([0, 0, 1, 1]))
    assert found.tolist() == [[0.25, 0.125], [0.25, 0.375]]


def test_a_known_shift_is_recovered_exactly_from_the_confusion() -> None:
    found = bbse(SAID_GIVEN_TRUE * SOURCE, SAID_GIVEN_TRUE @ TARGET, ridge=0)
    torch.testing.assert_close(found, TARGET)


def test_without_a_shift_the_sources_prior_is_found() -> None:
    torch.testing.assert_close(bbse(SAID_GIVEN_TRUE * SOURCE, SAID_GIVEN_TRUE @ SOURCE), SOURCE)


def test_the_sum_of_indistinguishable_classes_is_found() -> None:
    blind = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    found = bbse(blind * SOURCE, torch.tensor([0.2, 0.2, 0.6]), ridge=1e-6)
    assert found[:2].sum().item() == pytest.approx(0.4, abs=1e-4)
    assert found[0] > found[1] > 0.1


def test_a_strong_ridge_gives_the_prior_of_the_source() -> None:
    found = bbse(SAID_GIVEN_TRUE * SOURCE, SAID_GIVEN_TRUE @ TARGET, ridge=1e9)
    torch.testing.assert_close(found, SOURCE, atol=1e-4, rtol=0)


def test_expectation_maximisation_recovers_a_known_shift() -> None:
    """Samples that show x in 0..2 with the chances above; the posterior under the source's shares is exact."""
    seen = SAID_GIVEN_TRUE @ TARGET  # how often each x is seen
    posterior = SAID_GIVEN_TRUE * SOURCE / (SAID_GIVEN_TRUE @ SOURCE)[:, None]
    counts = (seen * 1000).round().long()
    found = mlls(posterior.repeat_interleave(counts, 0), SOURCE, rounds=5000)
    torch.testing.assert_close(found, TARGET, atol=1e-3, rtol=0)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"confusion has shape \(3, 3\) and prediction has shape \(2,\), expected \(C, C\) and \(C,\)"
    ):
        bbse(SAID_GIVEN_TRUE, torch.tensor([0.5, 0.5]))
