"""The start of self-training: not before the source is learnt, and with a rising weight."""

import pytest
import torch

from synth2real.adapt.self_training.burn_in import BurnIn
from synth2real.tasks import Classification
from synth2real.training.loop import Progress

LABELS = torch.arange(64) % 4
RIGHT, WRONG = torch.eye(4)[LABELS], torch.eye(4)[(LABELS + 1) % 4]


def begun(*said: tuple[int, torch.Tensor]) -> BurnIn:
    burn_in = BurnIn(Classification(("a", "b", "c", "d")))
    for step, outputs in said:
        burn_in.observe(outputs, LABELS, Progress(step, 100))
    return burn_in


def test_self_training_waits_for_the_source() -> None:
    burn_in = begun(*((step, WRONG) for step in range(30)))
    assert not burn_in.over
    assert burn_in.weight(Progress(30, 100)) == 0
    for step in range(30, 60):
        burn_in.observe(RIGHT, LABELS, Progress(step, 100))
    assert burn_in.over
    assert 35 <= int(burn_in.started) < 50
    assert burn_in.notes() == []


def test_it_never_starts_in_the_first_fifth() -> None:
    burn_in = begun(*((step, RIGHT) for step in range(20)))
    assert not burn_in.over
    burn_in.observe(RIGHT, LABELS, Progress(20, 100))
    assert int(burn_in.started) == 20


def test_the_weight_rises_over_half_of_the_rest() -> None:
    burn_in = begun((20, RIGHT))
    weights = [burn_in.weight(Progress(step, 100)).item() for step in (20, 40, 60, 99)]
    assert weights == pytest.approx([0.0, 0.5, 1.0, 1.0])


def test_a_source_that_is_never_learnt_is_named() -> None:
    assert begun((50, WRONG)).notes() == [
        "self-training never started, as the source was not fitted well enough: accuracy 0.00, where the most frequent "
        "class alone gives 0.25"
    ]


def test_it_waits_until_the_predictions_for_the_target_differ() -> None:
    burn_in = begun()
    for step, informative in ((30, False), (31, False), (32, True)):
        burn_in.observe(RIGHT, LABELS, Progress(step, 100), torch.tensor(informative))
    assert int(burn_in.started) == 32
    never = begun()
    never.observe(RIGHT, LABELS, Progress(30, 100), torch.tensor(False))
    assert never.notes() == [
        "self-training never started, as the model predicts nearly the same for all target samples"
    ]
