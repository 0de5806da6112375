"""RSD and DARE-GRAM: their distances are zero for equal subspaces and correct otherwise."""

import math

import pytest
import torch

from synth2real.adapt.discrepancy.daregram import gram_distances
from synth2real.adapt.discrepancy.rsd import subspace_distance


def test_equal_subspaces_are_at_no_distance_whatever_their_bases() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 20)
    y = torch.randn(6, 6) @ x  # other samples of the same span
    assert subspace_distance(x, x).item() == pytest.approx(0, abs=0.1)
    assert subspace_distance(x, 7 * x).item() == pytest.approx(subspace_distance(x, x).item(), abs=1e-4)
    assert subspace_distance(x, y).item() < 0.2
    assert subspace_distance(x, torch.randn(6, 20)).item() > 3


def test_the_distance_is_the_sum_of_the_sines_of_the_angles() -> None:
    x = torch.eye(2, 4)
    tilted = torch.tensor([[math.cos(0.3), 0, math.sin(0.3), 0], [0, math.cos(1.2), 0, math.sin(1.2)]])
    assert subspace_distance(x, tilted).item() == pytest.approx(math.sin(0.3) + math.sin(1.2), abs=1e-3)
    assert subspace_distance(x, torch.eye(4)[2:]).item() == pytest.approx(2)


def test_the_gradient_of_the_distance_is_finite_also_for_samples_that_repeat() -> None:
    x = torch.randn(1, 20).repeat(8, 1).relu().requires_grad_()
    (gradient,) = torch.autograd.grad(subspace_distance(x, torch.randn(8, 20)), x)
    assert gradient.isfinite().all()
    zero = torch.zeros(8, 20, requires_grad=True)
    (gradient,) = torch.autograd.grad(subspace_distance(zero, torch.randn(8, 20)), zero)
    assert gradient.isfinite().all()


def test_the_gradient_of_the_distance_agrees_with_differences() -> None:
    x, y = torch.randn(3, 7, dtype=torch.float64, requires_grad=True), torch.randn(3, 7, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(subspace_distance(x, y), x)
    step = torch.zeros_like(x)
    step[1, 2] = 1e-2
    with torch.no_grad():
        slope = (subspace_distance(x + step, y) - subspace_distance(x - step, y)) / 2e-2
    assert gradient[1, 2].item() == pytest.approx(slope.item(), rel=2e-2, abs=1e-3)


def test_equal_gram_matrices_are_at_no_distance() -> None:
    torch.manual_seed(0)
    x = torch.rand(40, 6)
    for y in (x, x.flip(0)):
        angle, scale = gram_distances(x, y, 0.99)
        assert angle.item() == pytest.approx(0, abs=1e-5)
        assert scale.item() == pytest.approx(0, abs=1e-3)
    angle, scale = gram_distances(x, torch.rand(40, 6) * torch.arange(1.0, 7.0), 0.99)
    assert angle.item() > 0.01
    assert scale.item() > 1


def test_the_inverse_is_cut_where_the_energy_is_reached() -> None:
    """Two directions contain all the energy. The noise in the other directions has no effect."""
    torch.manual_seed(0)
    x = 10 * torch.randn(64, 2) @ torch.randn(2, 8)
    angle, _ = gram_distances(x, x + 1e-5 * torch.randn_like(x), 0.9)
    assert angle.item() == pytest.approx(0, abs=1e-4)


def test_gradients_of_the_gram_distances_are_finite() -> None:
    x = torch.randn(16, 12).relu().requires_grad_()
    angle, scale = gram_distances(x, torch.randn(16, 12).relu(), 0.99)
    (gradient,) = torch.autograd.grad(angle + scale, x)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_a_target_of_low_rank_is_not_inverted_into_noise() -> None:
    """The truncation follows the domain of the higher rank; the other one then has eigenvalues of rounding error."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 16, generator=generator)
    y = (torch.randn(64, 2, generator=generator) @ torch.randn(2, 16, generator=generator)).requires_grad_()
    angle, scale = gram_distances(x, y, 0.99)
    (gradient,) = torch.autograd.grad(angle + scale, y)
    assert 0 <= angle.item() <= 2
    assert gradient.abs().max() < 100
