"""The hand-written steps compute what the library's methods compute."""

import pytest
import torch

from benchmarks.lib.by_hand import METHODS
from benchmarks.speed.training_step import case, losses_of_both
from synth2real import adapt


@pytest.mark.parametrize("name", [*METHODS, "masks"])
def test_the_losses_of_the_first_steps_are_those_of_the_library(name) -> None:
    ours, by_hand = losses_of_both(case(name, count=32, batch=8))
    assert len(ours) == len(by_hand) >= 3
    torch.testing.assert_close(torch.tensor(ours), torch.tensor(by_hand), rtol=2e-3, atol=1e-4)


def test_what_is_written_by_hand_has_the_name_of_a_method() -> None:
    assert set(METHODS) <= set(adapt.METHODS)
