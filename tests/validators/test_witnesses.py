"""Agreement, certainty and steadiness as one score."""

import math

import pytest

from pools import logits, pool
from synth2real.tasks import Classification
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
    steady, shaky = witnessed(said, TASK, [0.1, 0.4])
    assert steady - shaky == pytest.approx(0.1, abs=1e-6)
    assert witnessed(said, TASK, [2.0, math.nan]) == pytest.approx([2 / 3, 1.0], abs=1e-4)
