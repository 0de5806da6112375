"""Moment matching: exact for a linear simulator, and honest where images say little."""

import pytest
import torch

from synth2real.calibrate.moments import Moments

NAMES = ("a", "b", "c")


def moments(share, truth, images=500, sampled=None):
    """Components of which each shows one parameter with this share of its variance; real parameters with `truth`."""
    slope = torch.tensor(share).double().sqrt().diag()
    sampled = torch.eye(3).double() if sampled is None else sampled
    error = torch.eye(3).double() - slope @ slope.T
    real = slope @ torch.tensor(truth).double() @ slope.T + error
    return Moments.of(slope, sampled, torch.eye(3).double(), real, images)


def test_deviations_and_correlations_of_a_linear_simulator_are_found():
    truth = [[0.64, 0.4, 0.0], [0.4, 1.0, -0.3], [0.0, -0.3, 1.44]]
    found = moments([0.95, 0.9, 0.9], truth)
    torch.testing.assert_close(found.growth, torch.tensor([0.8, 1.0, 1.2]).double(), atol=0.03, rtol=0)
    assert float(found.correlation[0, 1]) == pytest.approx(0.5, abs=0.06)
    assert float(found.correlation[1, 2]) == pytest.approx(-0.25, abs=0.04)
    assert found.determined.tolist() == pytest.approx([0.95, 0.9, 0.9])


def test_real_images_that_vary_as_rendered_ones_change_nothing():
    sampled = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]).double()
    slope = 0.6 * torch.eye(3).double()
    real = torch.eye(3).double()
    found = Moments.of(slope, sampled, real, real, 500)
    assert found.growth.tolist() == pytest.approx([1, 1, 1])
    torch.testing.assert_close(found.correlation, sampled)


def test_what_images_do_not_show_stays_and_has_no_correlation():
    truth = [[4.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    found = moments([0.001, 0.9, 0.9], truth)
    assert float(found.growth[0]) == pytest.approx(1, abs=0.02)
    assert found.correlations(NAMES, {}, 2.5) == {}
    assert found.correlations(NAMES, {"a ~ b": 0.3}, 2.5) == {"a ~ b": 0.3}


def test_the_change_of_a_round_is_limited():
    found = moments([0.95, 0.9, 0.9], (100 * torch.eye(3)).tolist())
    assert found.growth.tolist() == pytest.approx([2.5**0.5] * 3)


def test_only_correlations_beyond_their_error_are_kept():
    truth = [[1.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 1.0]]
    few, many = (moments([0.9, 0.9, 0.9], truth, images).correlations(NAMES, {}, 2.5) for images in (100, 2000))
    assert set(few) == {"a ~ b"}
    assert set(many) == {"a ~ b", "b ~ c"}
    known = moments([0.9, 0.9, 0.9], truth).correlations(NAMES, {"b ~ a": 0.1}, 2.5)
    assert known["b ~ a"] == pytest.approx(0.5, abs=0.05)


def test_correlations_that_contradict_each_other_are_shrunk_together():
    eye = torch.eye(3).double()
    found = Moments(
        torch.ones(3), torch.tensor([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]), 0.01 * eye, eye.sum(0)
    )
    kept = found.correlations(NAMES, {}, 2.5)
    matrix = torch.tensor([[1, kept["a ~ b"], kept["a ~ c"]], [0, 1, kept["b ~ c"]], [0, 0, 1]]).double()
    assert torch.linalg.eigvalsh(matrix.T)[0] > 0
    assert kept["a ~ b"] == -kept["a ~ c"]
