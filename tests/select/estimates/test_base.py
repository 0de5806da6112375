"""Intervals by resampling: few groups make them wider, by as much as their coverage needs."""

import pytest
import torch

from synth2real.select.estimates.base import ALONE, DRAWS, bootstrap, deviations


@pytest.mark.parametrize(("groups", "least"), [(3, 0.85), (5, 0.9), (20, 0.9)])
def test_resampled_intervals_cover_with_few_groups(groups: int, least: float) -> None:
    generator, inside = torch.Generator().manual_seed(0), 0
    of = torch.arange(10 * groups) // 10
    for _ in range(100):
        values = 20 + torch.randn(groups, generator=generator)[of] + torch.randn(len(of), generator=generator)
        found = bootstrap(lambda i, j, k, v=values: float(v[j].mean()), ALONE, (len(of), of))
        inside += found.low <= 20 <= found.high
    assert inside >= least * 100


def test_deviations_have_heavier_tails_with_fewer_degrees_of_freedom() -> None:
    few, many = deviations(2, 3), deviations(1000, 3)
    assert len(few) == DRAWS
    assert float(few.mean()) == pytest.approx(0, abs=1e-9)
    assert float(many.std()) == pytest.approx((1 + 1 / 3) ** 0.5, rel=0.02)  # one more pair beside the mean of three
    assert float(few.max()) > 3 * float(many.max())
