"""Dis²: the bound holds if its assumption does, and groups make it lower."""

from dataclasses import replace

import pytest
import torch

from simulated import classifiers
from synth2real.select.estimates import disagreement_bound


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_the_bound_holds_and_falls_with_the_gap(shift: float) -> None:
    made, truth = classifiers(shift, count=1)
    real = float((made.target[0].argmax(1) == truth).double().mean())
    bound = disagreement_bound(made, 0)
    assert 0 <= bound <= real
    assert bound > 0.4 if shift == 0 else bound < disagreement_bound(classifiers(0.0, count=1)[0], 0)


def test_the_margin_is_for_the_number_of_groups() -> None:
    """With a group for each sample nothing changes; with fewer the bound is lower; with a single one it is 0."""
    made, _ = classifiers(0.0, count=1)
    each, tens = torch.arange(600), torch.arange(600) // 10
    alone = disagreement_bound(made, 0)
    assert disagreement_bound(replace(made, source_groups=each, target_groups=each), 0) == pytest.approx(alone)
    assert disagreement_bound(replace(made, source_groups=each, target_groups=tens), 0) < alone - 0.1
    assert disagreement_bound(replace(made, target_groups=torch.zeros_like(each)), 0) == 0
