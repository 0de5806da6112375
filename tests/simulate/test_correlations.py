"""The copula: the correlations are found in samples, and the distribution of each parameter is as without."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synth2real.errors import InputError
from synth2real.simulate import Digits, Eyes, Normal, simulator
from synth2real.simulate.correlations import Copula

NAMES = ("a", "b", "c")


@settings(max_examples=25, deadline=None)
@given(loadings=st.lists(st.floats(-0.9, 0.9), min_size=3, max_size=3), seed=st.integers(0, 2**31))
def test_correlations_are_found_in_samples_and_marginals_stay_uniform(loadings, seed):
    """Any loadings of one common factor give a positive definite matrix."""
    pairs = [(0, 1), (0, 2), (1, 2)]
    wanted = {f"{NAMES[i]} ~ {NAMES[j]}": loadings[i] * loadings[j] for i, j in pairs}
    generator = torch.Generator().manual_seed(seed)
    independent = {name: torch.rand(4000, generator=generator) for name in (*NAMES, "free")}
    units = Copula(wanted)(independent)
    assert torch.equal(units["free"], independent["free"])
    normal = torch.special.ndtri(torch.stack([units[name] for name in NAMES]).double().clamp(1e-7, 1 - 1e-7))
    for (i, j), value in zip(pairs, wanted.values(), strict=True):
        assert float(torch.corrcoef(normal)[i, j]) == pytest.approx(value, abs=0.08)
    for name in NAMES:
        levels = units[name].sort().values
        assert float((levels - (torch.arange(4000) + 0.5) / 4000).abs().max()) < 0.04  # Kolmogorov-Smirnov: p < 1e-5


def test_two_normal_parameters_have_the_correlation_itself():
    ranges = {"rotation": Normal(0, 5), "shear": Normal(0, 0.05)}
    made = Digits(size=(8, 8), ranges=ranges, correlations={"rotation ~ shear": 0.7}).sample(4000, 0).parameters
    found = torch.corrcoef(torch.stack([made["rotation"], made["shear"]]))[0, 1]
    assert float(found) == pytest.approx(0.7, abs=0.03)
    assert float(made["rotation"].std()) == pytest.approx(5, rel=0.05)


def test_without_correlations_units_are_untouched():
    units = {"a": torch.rand(5)}
    assert Copula({})(units) is units
    assert Copula({"a ~ b": 0.0})(units) is units


@pytest.mark.parametrize(
    ("correlations", "message"),
    [
        ([1], "simulator eyes: correlations is [1], expected pairs such as {'a ~ b': 0.5}"),
        ({"head_yaw": 0.1}, "correlations has the key 'head_yaw', expected two parameters, such as 'a ~ b'"),
        ({"iris ~ iris": 0.1}, "correlations has the key 'iris ~ iris', expected two parameters"),
        ({"iris ~ hare": 0.1}, "correlations has 'iris ~ hare', but there is no parameter 'hare', expected two of: "),
        ({"iris ~ hair": 1}, "the correlation 'iris ~ hair' is 1, expected a number above -1 and below 1"),
        ({"iris ~ hair": "x"}, "the correlation 'iris ~ hair' is 'x', expected a number"),
        ({"iris ~ hair": 0.1, "hair~iris": 0.2}, "correlations has the pair 'iris ~ hair' twice. Give it once"),
        (
            {"iris ~ hair": 0.2, "iris ~ pupil": 0.9, "pupil ~ hair": -0.8},
            "simulator eyes: the correlation 'iris ~ pupil' is 0.9, which contradicts the others: they are no positive "
            "definite matrix (smallest eigenvalue -0.",
        ),
    ],
)
def test_correlations_that_cannot_be_used_name_the_pair(correlations, message):
    for build in (lambda: simulator("eyes", correlations=correlations), lambda: Eyes(correlations=correlations)):
        with pytest.raises(InputError, match=re.escape(message)):
            build()
