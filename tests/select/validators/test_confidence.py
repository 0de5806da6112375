"""Confidence, whose extremes are known."""

import math

import pytest
import torch

from pools import logits, pool
from synth2real.errors import InputError
from synth2real.select.validators import temperature_scaled, validate
from synth2real.tasks import Classification

TASK = Classification(("a", "b"))
SURE = logits([[1.0, 0.0], [0.0, 1.0]])
ONE = logits([[1.0, 0.0], [1.0, 0.0]])
UNSURE = logits([[0.5, 0.5], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("entropy", [0.0, 0.0, -math.log(2)]),
        ("information-maximisation", [math.log(2), 0.0, 0.0]),
        ("bnm", [1.0, math.sqrt(2) / 2, 0.5]),
        ("balance", [0.0, -0.5 * math.log(0.5 * 0.5 / 1e-12), 0.0]),
    ],
)
def test_confident_and_balanced_then_all_one_class_then_uncertain(name: str, expected: list[float]) -> None:
    assert validate(name, pool(TASK, [SURE, ONE, UNSURE])) == pytest.approx(expected, abs=1e-5)


def test_balance_takes_the_prior_that_is_given() -> None:
    mostly = logits([[0.9, 0.1], [0.7, 0.3]])
    known = pool(TASK, [mostly, SURE], prior=torch.tensor([4.0, 1.0]))
    assert validate("balance", known)[0] == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(InputError, match=r"the prior has 3 shares, expected 2, one per class"):
        pool(TASK, [SURE], prior=torch.ones(3))
    with pytest.raises(InputError, match=r"the prior is \[0.0, 0.0\], expected shares of 0 and more"):
        validate("balance", pool(TASK, [SURE], prior=torch.zeros(2)))


def test_mixval_is_the_mean_of_two_ranks() -> None:
    mixed = [(0.9, 0.6), (0.8, 0.7), (0.7, 0.5)]
    assert validate("mixval", pool(TASK, [SURE, ONE, UNSURE], mixed=mixed)) == [2.5, 2.5, 1.0]


def test_at_the_temperature_that_fits_the_source_all_scales_are_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 2
    raw = 2.0 * torch.nn.functional.one_hot(labels, 2) + torch.randn(400, 2, generator=generator)
    target = torch.randn(50, 2, generator=generator)
    sharp, plain, dull = (
        temperature_scaled((s * target).softmax(1), (s * raw).softmax(1), labels) for s in (4.0, 1.0, 0.5)
    )
    assert torch.allclose(sharp, plain, atol=0.03)
    assert torch.allclose(dull, plain, atol=0.03)
    assert torch.equal(plain.argmax(1), target.argmax(1))
