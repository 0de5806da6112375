"""Distributions: exact quantiles, moments, and the forms in which they are written."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synth2real.errors import InputError
from synth2real.simulate import Empirical, Normal
from synth2real.simulate.distributions import normal_at, plain, read_sampling, text

UNIT = (torch.arange(20_000) + 0.5) / 20_000


@settings(max_examples=40, deadline=None)
@given(mean=st.floats(-60, 60), std=st.floats(0.1, 120))
def test_a_truncated_normal_distribution_has_the_moments_of_the_textbook(mean, std):
    values = Normal(mean, std).at(UNIT, (-60, 60)).double()
    assert -60 <= values.min() <= values.max() <= 60
    a, b = (-60 - mean) / std, (60 - mean) / std
    density = [math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in (a, b)]
    mass = (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) / 2
    assert float(values.mean()) == pytest.approx(mean + std * (density[0] - density[1]) / mass, abs=0.01 * std)


def test_a_normal_distribution_far_from_its_limits_is_not_truncated():
    values = Normal(9, 10).at(UNIT, (-1000, math.inf))
    assert float(values.mean()) == pytest.approx(9, abs=0.01)
    assert float(values.std()) == pytest.approx(10, rel=0.005)
    assert Normal(9, 0).at(UNIT, (-60, 60)).unique().tolist() == [9]
    assert Normal(9, 10).at(torch.tensor([0.0, 1.0]), (-math.inf, math.inf)).isfinite().all()


def test_gradients_flow_to_mean_and_deviation():
    mean, std = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    normal_at(torch.tensor([0.1, 0.8]), mean, std, (-50, 50)).sum().backward()
    assert float(mean.grad) == pytest.approx(2, abs=1e-3)
    assert float(std.grad) == pytest.approx(-1.2816 + 0.8416, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=30).map(sorted))
def test_quantiles_are_hit_exactly_and_give_mean_and_deviation(quantiles):
    found = Empirical(tuple(quantiles))
    levels = torch.linspace(0, 1, len(quantiles))
    torch.testing.assert_close(found.at(levels, (-60, 60)), torch.tensor(quantiles), atol=1e-4, rtol=0)
    values = found.at(UNIT, (-60, 60)).double()
    assert found.mean == pytest.approx(float(values.mean()), abs=1e-3)
    assert found.std == pytest.approx(float(values.std(correction=0)), abs=1e-2)


def test_the_quantiles_of_values_are_those_of_the_sample():
    found = Empirical.of(torch.arange(101.0), 5)
    assert found == Empirical([0, 25, 50, 75, 100])
    assert Empirical.of(torch.tensor([3.0])).quantiles == (3, 3)
    assert len(Empirical.of(torch.rand(7)).quantiles) == 7


def test_every_form_is_read_and_written():
    forms = {
        (0.5, 0.5): 0.5,
        (0.2, 0.8): [0.2, 0.8],
        Normal(9, 10): {"mean": 9, "std": 10},
        Empirical((0, 3)): {"quantiles": [0, 3]},
    }
    for sampling, form in forms.items():
        assert read_sampling(form) == sampling == read_sampling(sampling)
        assert plain(sampling) == ([0.5, 0.5] if form == 0.5 else form)
    assert read_sampling("much") is read_sampling([1, True]) is read_sampling({"mean": 1}) is None
    assert [text(one) for one in forms] == ["0.5 to 0.5", "0.2 to 0.8", "9 ± 10", "0 to 3 (quantiles)"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Normal(0, -1), "Normal has mean 0 and std -1, expected two finite numbers, std 0 or more"),
        (lambda: Normal(True, 1), "Normal has mean True and std 1"),
        (lambda: Normal(0, math.nan), "Normal has mean 0 and std nan"),
        (lambda: Empirical((1,)), "Empirical has quantiles (1,), expected 2 or more finite numbers"),
        (lambda: Empirical((1, math.inf)), "Empirical has quantiles (1, inf)"),
        (lambda: Empirical("12"), "Empirical has quantiles '12'"),
        (lambda: Empirical((1, 2, 0)), "Empirical has the quantile 0 after 2, expected values that do not fall. Sort"),
    ],
)
def test_values_that_no_distribution_has_are_refused(build, message):
    with pytest.raises(InputError, match=re.escape(message)):
        build()
