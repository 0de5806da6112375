"""The history of refined images, from which half of a critic's batch comes."""

import torch

from synth2real.refine.history import History


def test_half_of_the_critics_batch_comes_from_the_history() -> None:
    torch.manual_seed(0)
    history = History(8, (1, 1, 1))
    first = history.mix(torch.full((4, 1, 1, 1), 1.0))
    assert (first == 1).all()  # nothing there yet
    second = history.mix(torch.full((4, 1, 1, 1), 2.0))
    assert sorted(second.flatten().tolist()) == [1, 1, 2, 2]
    for value in (3.0, 4.0, 5.0):
        mixed = history.mix(torch.full((4, 1, 1, 1), value))
        assert (mixed == value).sum() >= 2
    assert int(history.filled) == 8
    assert (history.images > 0).all()


def test_a_history_of_less_than_half_a_batch_gives_all_it_holds() -> None:
    history = History(2, (1, 1, 1))
    history.mix(torch.full((8, 1, 1, 1), 1.0))
    assert sorted(history.mix(torch.full((8, 1, 1, 1), 2.0)).flatten().tolist()) == [1] * 2 + [2] * 6


def test_a_large_history_takes_a_small_batch() -> None:
    history = History(3, (1, 1, 1))
    assert torch.equal(history.mix(torch.ones(1, 1, 1, 1)), torch.ones(1, 1, 1, 1))
    assert int(history.filled) == 0  # half of one image is none
