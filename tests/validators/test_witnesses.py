"""Agreement, certainty and steadiness as one score."""

import math

import pytest
import torch

from pools import logits, pool
from synth2real.tasks import Classification, Regression
from synth2real.validators import validate, witnessed

TASK = Classification(("a", "b"))
RIGHT = logits([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
UNSURE = logits([[0.6, 0.4], [0.4, 0.6], [0.6, 0.4], [0.6, 0.4]])
ONE = logits([[1.0, 0.0]] * 4)


def test_it_is_the_mean_of_the_three() -> None:
    three = pool(TASK, [RIGHT, UNSURE, ONE])
    parts = zip(*(validate(name, three) for name in ("ensv", "bnm")), strict=True)
    wander = [one.wander for one in three.candidates]
    for found, (agreed, sure), moved in zip(validate("witnesses", three), parts, wander, strict=True):
        known = [agreed, sure] if math.isnan(moved) else [agreed, sure, max(0.0, 1 - moved)]
        assert found == pytest.approx(sum(known) / len(known), abs=1e-6)


def test_steadiness_decides_where_the_others_do_not() -> None:
    said = [one.softmax(1) for one in (RIGHT, RIGHT)]
    steady, shaky = witnessed(said, TASK, [1.0, 1.0], [0.1, 0.4])
    assert steady - shaky == pytest.approx(0.1, abs=1e-6)
    unbalanced = witnessed(said, TASK, [1.0, 1.0], [0.1, 0.4], balanced=False)
    assert unbalanced == pytest.approx([(1 + 0.9) / 2, (1 + 0.6) / 2], abs=1e-4)
    assert witnessed(said, TASK, [1.0, 1.0], [2.0, math.nan]) == pytest.approx([2 / 3, 1.0], abs=1e-4)


def test_values_are_ranked_by_agreement_by_the_source_and_by_steadiness() -> None:
    task = Regression(("v",), (0.0,), (1.0,))
    said = [torch.full((6, 1), value) for value in (0.0, 0.1, 0.3)]  # the median is the second
    found = witnessed(said, task, source=[-1.0, -2.0, -3.0], wander=[0.3, 0.1, 0.2])
    shares = [1 / 6, 3 / 6, 5 / 6]
    ranks = [(1, 2, 0), (2, 1, 2), (0, 0, 1)]  # by agreement, source, steadiness; 2 is best
    assert found == pytest.approx([sum(shares[rank] for rank in of) / 3 for of in ranks])


def test_of_values_unknown_steadiness_is_left_out_and_one_candidate_stands_in_the_middle() -> None:
    task = Regression(("v",), (0.0,), (1.0,))
    said = [torch.zeros(6, 1), torch.zeros(6, 1)]
    assert witnessed(said, task, [-1.0, -2.0], [math.nan, math.nan]) == pytest.approx([(0.5 + 0.75) / 2, 0.375])
    assert witnessed(said[:1], task, [-1.0], [0.2]) == pytest.approx([0.5])
