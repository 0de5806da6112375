"""Sums of parameters that images constrain although they constrain none of them alone."""

import pytest
import torch

from synth2real.calibrate.combinations import Combination, combinations

NAMES = ("a", "b", "c", "d")


def after(*measured, error=0.05):
    """The covariance of four centres, with prior deviation 1, after exact measurements of these weighted sums."""
    precision = torch.eye(4).double()
    for weights in measured:
        row = torch.tensor(weights).double()
        precision += row.outer(row) / error**2
    return precision.inverse()


def test_a_sum_is_found_of_which_no_part_is_constrained_alone():
    (found,) = combinations(NAMES, (1, 1, 1, 1), after([1.0, 0.8, 0, 0]), 0.1)
    assert str(found) == "a + 0.8 b"
    assert found.error == pytest.approx(0.05 / 1.64**0.5, abs=1e-3)


def test_coefficients_are_in_the_units_of_the_parameters():
    """A change of a by one width, 20, is undone by a change of c by one width, 4."""
    (found,) = combinations(NAMES, (20, 1, 4, 1), after([1.0, 0, 1.001, 0]), 0.1)
    assert found.coefficients == {"c": 1, "a": 0.2}
    (found,) = combinations(NAMES, (20, 1, 4, 1), after([-1.001, 0, 1.0, 0]), 0.1)
    assert str(found) == "a - 5 c"


def test_what_is_constrained_alone_or_not_at_all_is_left_out():
    assert combinations(NAMES, (1, 1, 1, 1), after([1.0, 0, 0, 0]), 0.1) == ()
    assert combinations(NAMES, (1, 1, 1, 1), after([1.0, 1.0, 0, 0], error=0.5), 0.1) == ()
    assert combinations(NAMES[:1], (1,), torch.eye(1).double(), 0.1) == ()


def test_several_sums_stand_in_the_order_of_their_errors_without_small_terms():
    covariance = after([1.0, 0.0, 0.0, -0.9], [0.0, 1.2, 1.8, 0.05])
    first, second = combinations(NAMES, (1, 1, 1, 1), covariance, 0.1)
    assert (str(first), str(second)) == ("c + 0.67 b", "a - 0.9 d")
    assert first.error < second.error <= 0.1


def test_at_most_five_sums_are_given():
    measured = torch.zeros(6, 12).double()
    for i in range(6):
        measured[i, 2 * i], measured[i, 2 * i + 1] = 1, 0.5 + 0.05 * i
    covariance = (torch.eye(12).double() + measured.T @ measured / 0.05**2).inverse()
    assert len(combinations([f"p{i}" for i in range(12)], [1] * 12, covariance, 0.1)) == 5


def test_a_sum_is_written_as_one_would_say_it():
    assert str(Combination({"a": 1, "b": -1, "c": 0.5}, 0.1)) == "a - b + 0.5 c"
