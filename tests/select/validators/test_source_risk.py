"""Risks on the source, whose weighted forms are exact where the weights are simple."""

import pytest
import torch

from pools import logits, pool
from synth2real.select.validators import importance_weights, validate
from synth2real.select.validators.source_risk import embedded_risk, weighted_risk
from synth2real.tasks import Classification, Regression

ERRORS = torch.tensor([0.0, 1.0, 1.0, 0.0])


def test_weights_are_normalised_by_themselves() -> None:
    weights = torch.tensor([0.2, 3.0, 0.7, 2.5])
    assert weighted_risk(torch.ones(4), weights) == pytest.approx(1.0)
    assert weighted_risk(ERRORS, weights) == pytest.approx(weighted_risk(ERRORS, 0.01 * weights))
    assert weighted_risk(ERRORS, weights) == pytest.approx(3.7 / 6.4)


def test_dev_is_the_weighted_mean_where_the_control_variate_is_zero() -> None:
    level = torch.full((4,), 2.0)
    assert embedded_risk(ERRORS, level) == weighted_risk(ERRORS, level) == 0.5
    balanced = torch.tensor([0.5, 1.5, 0.5, 1.5])  # the mean is 1: nothing to correct by
    assert embedded_risk(ERRORS, balanced) == pytest.approx(weighted_risk(ERRORS, balanced))


def test_dev_of_a_constant_error_is_that_error() -> None:
    """Then eta is the error itself, and what the weights' mean is off by is taken out in full."""
    assert embedded_risk(torch.ones(4), torch.tensor([0.2, 3.0, 0.7, 2.5])) == pytest.approx(1.0)


def test_the_scores_do_not_rise_as_the_domains_separate() -> None:
    """Errors grow along the first feature, in which the target moves away: accuracy there falls from 0.82 to 0.21."""
    generator = torch.Generator().manual_seed(0)
    x, z = (torch.randn(1000, 8, generator=generator) for _ in range(2))
    errors = (torch.rand(1000, generator=generator) < 0.8 * torch.sigmoid(x[:, 0] - 1.5)).double()
    near, far = (importance_weights(x, z + torch.eye(8)[0] * shift) for shift in (1.0, 8.0))
    assert float(far.mean()) < 0.3
    plain = float(errors.mean())
    for risk in (weighted_risk, embedded_risk):
        assert risk(errors, near) > plain + 0.03
        assert risk(errors, far) > plain + 0.03


def test_dev_by_hand() -> None:
    weights = torch.tensor([1.0, 3.0, 1.0, 1.0])
    # w e = 0 3 1 0, its covariance with w is 4 / 3, the variance of w is 1: 1 - 4 / 3 (1.5 - 1)
    assert embedded_risk(ERRORS, weights) == pytest.approx(1 / 3)


def test_weights_are_even_where_domains_are_one_and_shift_where_they_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(1000, 3, generator=generator) for _ in range(2))
    same = importance_weights(x, y)
    assert float(same.mean()) == pytest.approx(1.0, abs=0.05)
    assert float(same.std()) < 0.2
    shifted = importance_weights(x, y + torch.tensor([1.0, 0.0, 0.0]))
    assert float(torch.corrcoef(torch.stack([shifted.log(), x[:, 0]]))[0, 1]) > 0.95


def test_source_score_is_accuracy_or_minus_the_error() -> None:
    classes, labels = Classification(("a", "b")), torch.tensor([0, 1])
    right, half = logits([[0.9, 0.1], [0.2, 0.8]]), logits([[0.9, 0.1], [0.7, 0.3]])
    assert validate("source", pool(classes, [right, half], source=[right, half], labels=labels)) == [1.0, 0.5]
    task = Regression(("v",), (0.0,), (2.0,))
    predictions = [torch.zeros(3, 1), torch.ones(3, 1)]  # in units of the spread
    known = torch.tensor([[0.0], [2.0], [torch.nan]])
    assert validate("source", pool(task, predictions, source=predictions, labels=known)) == pytest.approx(
        [-1 / 3, -1 / 3]
    )
