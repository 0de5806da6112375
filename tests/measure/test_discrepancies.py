"""Discrepancies: exact where the mathematics is, and with gradients that lead down."""

import math
from itertools import combinations

import pytest
import torch

from synth2real.measure.discrepancies import coral, entropy, gaussian, joint_mmd, mmd, squared_distances, unbiased


@pytest.fixture
def sample() -> torch.Tensor:
    return torch.randn(400, 3, generator=torch.Generator().manual_seed(0))


def test_squared_distances_are_those_of_the_samples_and_zero_on_the_diagonal(sample: torch.Tensor) -> None:
    x, y = sample[:20], sample[20:50]
    torch.testing.assert_close(squared_distances(x, y), torch.cdist(x, y).square(), atol=1e-4, rtol=1e-4)
    assert squared_distances(x, x).diagonal().abs().max() < 1e-5


def test_gaussian_is_the_mean_of_five_kernels() -> None:
    expected = sum(math.exp(-9 / (2 * (2 * width) ** 2)) for width in (0.25, 0.5, 1, 2, 4)) / 5
    assert gaussian(torch.tensor([9.0, 0.0]), 2.0).tolist() == pytest.approx([expected, 1.0])


def test_the_unbiased_mmd_is_zero_on_average_over_every_split_of_one_sample() -> None:
    """Exactly so over all ways to part six samples into three and three: both halves are of one distribution."""
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    kernel = gaussian(squared_distances(x, x), 1.0)
    values = []
    for first in combinations(range(6), 3):
        order = torch.tensor([*first, *(i for i in range(6) if i not in first)])
        values.append(unbiased(kernel[order][:, order], 3))
    assert torch.stack(values).mean().item() == pytest.approx(0, abs=1e-6)
    assert min(values) < 0 < max(values)


def test_mmd_finds_a_shift_and_its_gradient_closes_it(sample: torch.Tensor) -> None:
    x, y = sample[:200], (sample[200:] + 1).requires_grad_()
    apart = mmd(x, y)
    (gradient,) = torch.autograd.grad(apart, y)
    assert apart.item() > 0.1 > abs(mmd(x, sample[200:]).item())
    assert (gradient.mean(0) > 0).all()  # down the gradient is back to x
    assert mmd(x, y - 100 * gradient).item() < apart.item()


def test_mmd_of_equal_samples_stays_finite() -> None:
    x = torch.ones(4, 2, requires_grad=True)
    apart = mmd(x, torch.ones(3, 2))
    (gradient,) = torch.autograd.grad(apart, x)
    assert apart.item() == pytest.approx(0, abs=1e-6)
    assert gradient.isfinite().all()


def test_joint_mmd_detects_a_change_of_the_joint_distribution(sample: torch.Tensor) -> None:
    """The same features and the same classes, but joined the other way round."""
    x, y = sample[:200], sample[200:]
    of_x, of_y = ((z[:, :1] > 0).float() for z in (x, y))
    assert abs(joint_mmd([x, of_x], [y, of_y]).item()) < 0.01
    assert joint_mmd([x, of_x], [y, 1 - of_y]).item() > 0.03
    assert abs(mmd(x, y).item() + mmd(of_x, 1 - of_y).item()) < 0.01
    assert joint_mmd([x], [y]) == mmd(x, y)


def test_coral_is_zero_for_equal_covariances_and_differentiable(sample: torch.Tensor) -> None:
    x = sample.clone().requires_grad_()
    assert coral(x, sample + 5).item() == pytest.approx(0, abs=1e-9)
    (gradient,) = torch.autograd.grad(coral(x, 3 * sample), x)
    assert (gradient * x).sum().item() < 0  # growing closes it


def test_entropy_is_in_nats_and_zero_where_certain() -> None:
    values = entropy(torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
    assert values.tolist() == pytest.approx([0, math.log(2)])
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)  # the second underflows
    (gradient,) = torch.autograd.grad(entropy(logits.softmax(1)).sum(), logits)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("discrepancy", [mmd, coral])
def test_lower_precision_around_it_does_not_change_a_gradient(discrepancy) -> None:
    """In bfloat16 the kernel of features far from the origin was rounding error: a cosine of 0.4 to the gradient."""
    generator = torch.Generator().manual_seed(0)
    x, y = (20 + torch.randn(64, 32, generator=generator) for _ in range(2))
    gradients = []
    for enabled in (False, True):
        moved = x.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            loss = discrepancy(moved, y)
        gradients.append(torch.autograd.grad(loss, moved)[0])
    assert torch.equal(*gradients)
