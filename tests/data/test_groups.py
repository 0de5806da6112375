"""Groups: splits that keep them whole, and errors that count them as one."""

import math

import pytest
import torch

from synth2real.data.groups import half_width, held_out, independent_units, standard_error, student_t


@pytest.mark.parametrize("ids", [(0, 1, 2), (7, 9, 12)])
def test_a_split_keeps_groups_whole_whatever_they_are_called(ids) -> None:
    groups = torch.tensor(ids).repeat_interleave(10)
    for seed in range(5):
        kept, held = held_out(30, 5, groups, seed)
        assert (len(kept), len(held)) == (20, 10)
        assert not set(groups[kept].tolist()) & set(groups[held].tolist())


def test_the_standard_error_of_groups_is_that_of_their_sums() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert standard_error(values, None) == pytest.approx(float(values.std()) / 20)
    assert standard_error(values, torch.arange(400)) == pytest.approx(standard_error(values, None))
    copies = values[:100].repeat_interleave(4)
    assert standard_error(copies, torch.arange(400) // 4) == pytest.approx(standard_error(values[:100], None))
    two = torch.tensor([1.0, 1.0, 4.0, 4.0])
    assert standard_error(two, torch.tensor([7, 7, 3, 3])) == pytest.approx(1.5)  # half of the difference


def test_a_single_group_has_no_known_error() -> None:
    for values, groups in ((torch.ones(5), torch.zeros(5, dtype=torch.int64)), (torch.ones(1), None)):
        assert standard_error(values, groups) == half_width(values, groups) == math.inf
        assert independent_units(len(values), groups) == 1


def test_units_are_samples_or_groups_of_about_equal_size() -> None:
    assert independent_units(6, None) == 6
    assert independent_units(6, torch.tensor([0, 0, 1, 1, 2, 2])) == pytest.approx(3)
    assert independent_units(10, torch.tensor([5] * 9 + [6])) == pytest.approx(100 / 82)


def test_the_half_width_is_that_of_students_t() -> None:
    values = torch.tensor([0.0, 1.0, 2.0, 5.0])
    assert half_width(values, None) == pytest.approx(student_t(3) * standard_error(values, None))
    assert student_t(3) == pytest.approx(3.182, abs=1e-3)
    assert student_t(1e6, confidence=0.9) == pytest.approx(1.645, abs=1e-3)
    assert student_t(0) == math.inf


@pytest.mark.parametrize("sizes", [(20, 20), (10, 10, 10), (10,) * 5, (10,) * 20, (10, 20, 30), (1,) * 10])
def test_intervals_cover_the_mean_with_few_groups(sizes: tuple[int, ...]) -> None:
    """In simulation, also of groups of different sizes. With twice the plain error it is 0.6 for two groups."""
    generator, inside = torch.Generator().manual_seed(0), 0
    groups = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    for _ in range(600):
        values = torch.randn(len(sizes), generator=generator)[groups] + torch.randn(len(groups), generator=generator)
        inside += abs(float(values.mean())) <= half_width(values, groups)
    assert 0.93 <= inside / 600 <= 0.985
