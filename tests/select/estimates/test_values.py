"""Calibrated disagreement on examples by hand."""

import pytest
import torch

from pools import pool
from synth2real.select.estimates import NoEstimate, estimate
from synth2real.tasks import Regression

VALUE = Regression(("v",), (0.0,), (1.0,))


def test_disagreement_grows_by_the_ratio_of_pairs() -> None:
    """Every pair is three times as far apart on the target: the error is, too, and the interval holds nothing else."""
    truth, apart = torch.zeros(50, 1), torch.linspace(1, 2, 50)[:, None]
    predictions = [truth + weight * apart for weight in (0.0, 1.0, 2.5, 4.0)]
    alike = pool(VALUE, [3 * one for one in predictions], source=predictions, labels=truth - apart)
    assert estimate("calibrated-disagreement", alike, 1).value == pytest.approx(
        3 * 3.0
    )  # off by twice 1.5 on the source
    found = estimate("calibrated-disagreement", alike, 0)
    assert found.value == pytest.approx(3 * 1.5)
    assert found.high < 1.5 * found.low  # as far as samples differ
    one_off = pool(VALUE, [*alike.target[:3], 5 * predictions[3]], source=predictions, labels=truth - apart)
    other = estimate("calibrated-disagreement", one_off, 0)
    assert min(other.high / other.value, other.value / other.low) > 4
    two = pool(VALUE, [3 * one for one in predictions[:2]], source=predictions[:2], labels=truth - apart)
    with pytest.raises(NoEstimate, match=r"interval would be [\d.]+ to [\d.]+, expected ends .* factor of 50 apart"):
        estimate("calibrated-disagreement", two, 0)  # one pair shows no variance between pairs
    with pytest.raises(NoEstimate, match=r"found 1 candidate\(s\), expected 2 or more to compare .*Train more routes"):
        estimate("calibrated-disagreement", pool(VALUE, [truth], source=[truth], labels=truth))
