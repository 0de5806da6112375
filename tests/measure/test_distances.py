"""Distances: zero for one distribution, and exact where the mathematics is."""

import pytest
import torch

from synth2real.measure.distances import (
    coral,
    kernel_distance,
    median_distance,
    mmd,
    proxy_a_distance,
    sliced_wasserstein,
)


@pytest.fixture
def sample() -> torch.Tensor:
    return torch.randn(600, 4, generator=torch.Generator().manual_seed(0))


def test_one_distribution_is_at_distance_zero_and_a_shifted_one_is_not(sample: torch.Tensor) -> None:
    x, y = sample[:300], sample[300:]
    assert abs(mmd(x, y)) < 0.01
    assert mmd(x, y + 2) > 0.3
    assert sliced_wasserstein(x, y) < 0.2
    assert proxy_a_distance(x, y) < 0.5
    assert proxy_a_distance(x, y + 5) == pytest.approx(2.0)


def test_groups_of_the_training_half_do_not_help_to_classify_the_test_half() -> None:
    """Both domains show the same kind of people, but different persons: only known persons reveal the domain."""
    generator = torch.Generator().manual_seed(0)
    who = torch.arange(200) % 10
    x, y = (3 * torch.randn(10, 40, generator=generator)[who] + torch.randn(200, 40, generator=generator) for _ in "xy")
    alone, whole = proxy_a_distance(x, y), proxy_a_distance(x, y, groups=(who, who))
    assert alone > 1.9
    assert whole < alone - 0.5
    assert proxy_a_distance(x, y, groups=(None, who)) == proxy_a_distance(x, y, groups=(None, who + 7))


def test_a_split_that_leaves_a_side_nearly_empty_is_made_within() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 200, 4, generator=generator)
    lopsided = (torch.arange(200) == 0).long()
    assert all(proxy_a_distance(x, y, seed, groups=(lopsided, lopsided)) < 0.6 for seed in range(12))


def test_sliced_wasserstein_of_a_shift_is_its_mean_projection(sample: torch.Tensor) -> None:
    shift = torch.tensor([3.0, 0.0, 0.0, 0.0])
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(4, 128, generator=generator)
    expected = float((shift @ (vectors / vectors.norm(dim=0))).abs().mean())
    assert sliced_wasserstein(sample, sample + shift) == pytest.approx(expected, rel=1e-4)


def test_mmd_is_the_textbook_sum() -> None:
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [3.0]])

    def kernel(distance: float) -> float:
        return sum(torch.exp(torch.tensor(-(distance**2) / (2 * w**2))).item() for w in (0.25, 0.5, 1, 2, 4)) / 5

    cross = (kernel(0) + kernel(3) + kernel(1) + kernel(2)) / 4
    assert mmd(x, y, bandwidth=1.0) == pytest.approx(kernel(1) + kernel(3) - 2 * cross, abs=1e-6)


def test_coral_compares_covariances_alone(sample: torch.Tensor) -> None:
    assert coral(sample, sample + 7) == pytest.approx(0, abs=1e-9)
    expected = (torch.cov(sample.T) * 3).square().sum() / (4 * 16)
    assert coral(sample, 2 * sample) == pytest.approx(float(expected), rel=1e-4)


def test_the_gap_has_a_fixed_split(sample: torch.Tensor) -> None:
    x, y = sample[:300], sample[300:] + 0.5
    assert proxy_a_distance(x, y) == proxy_a_distance(x, y)


def test_median_distance_of_one_repeated_sample_stays_positive() -> None:
    assert median_distance(torch.zeros(5, 2)) == 1e-6


def test_the_kernel_distance_is_the_textbook_sum_and_zero_in_expectation(sample: torch.Tensor) -> None:
    x, y = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 3.0]])

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a @ b / 2 + 1) ** 3)

    within_x = sum(kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / 6
    within_y = kernel(y[0], y[1])
    across = sum(kernel(a, b) for a in x for b in y) / 6
    assert kernel_distance(x, y) == pytest.approx(within_x + within_y - 2 * across)
    assert kernel_distance(y, x) == pytest.approx(kernel_distance(x, y))
    assert kernel_distance(9 * x, 9 * y, unit=9) == pytest.approx(kernel_distance(x, y))
    halves = [kernel_distance(part[:100], part[100:200]) for part in sample.split(200)]
    assert abs(sum(halves) / 3) < 0.2 < kernel_distance(sample[:300], sample[300:] + 1)
