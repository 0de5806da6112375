"""Groups: splits that keep them whole, and errors that count them as one."""

import pytest
import torch

from synth2real.data.groups import held_out, standard_error


@pytest.mark.parametrize("ids", [(0, 1, 2), (7, 9, 12)])
def test_a_split_keeps_groups_whole_whatever_they_are_called(ids) -> None:
    groups = torch.tensor(ids).repeat_interleave(10)
    for seed in range(5):
        kept, held = held_out(30, 5, groups, seed)
        assert (len(kept), len(held)) == (20, 10)
        assert not set(groups[kept].tolist()) & set(groups[held].tolist())


def test_the_standard_error_of_groups_is_that_of_their_sums() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert standard_error(values, None) == pytest.approx(float(values.std(correction=0)) / 20)
    assert standard_error(values, torch.arange(400)) == pytest.approx(standard_error(values, None))
    copies = values[:100].repeat_interleave(4)
    assert standard_error(copies, torch.arange(400) // 4) == pytest.approx(2 * standard_error(copies, None))
