"""The collapse of self-training: what is measured, when the training stops, and which weights return."""

import pytest
import torch

from synth2real.tasks import Classification
from synth2real.training.collapse import CollapseWatch
from synth2real.training.loop import Progress
from synth2real.training.model import Model

CERTAIN = torch.eye(3)[torch.arange(60) % 3]  # each class equally often
ONE = torch.tensor([[0.98, 0.01, 0.01]]).expand(60, 3)


def model() -> Model:
    torch.manual_seed(0)
    return Model(Classification(("bolt", "gear", "valve")), (4,))


def shift(network: Model, by: float) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(by)


@pytest.mark.parametrize(
    ("said", "expected"), [(CERTAIN, 1.0), (ONE, 0.0), (torch.full((60, 3), 1 / 3), 0.0), (CERTAIN[[0, 1]], 0.6309)]
)
def test_information_is_that_of_predictions_and_samples(said, expected) -> None:
    watch = CollapseWatch(model())
    watch.observe(said)
    assert watch.information().item() == pytest.approx(expected, abs=1e-4)  # two of three classes: ln 2 / ln 3


def test_a_collapse_restores_the_last_sound_weights_and_stops() -> None:
    network = model()
    watch = CollapseWatch(network)
    watch.observe(CERTAIN)
    for step in (0, 10, 20):
        shift(network, 1.0)
        watch.check(network, Progress(step, 100))
    sound = [p.clone() for p in network.parameters()]
    shift(network, 1.0)
    for _ in range(100):
        watch.observe(ONE)
    watch.check(network, Progress(30, 100))
    for was, now in zip(sound, network.parameters(), strict=True):
        assert torch.equal(was, now)
    (note,) = watch.notes()
    assert note.startswith("self-training stopped at step 31 of 100: the predictions on the target were collapsing")
    assert note.endswith("collapsing to 'bolt'; the model is the one of step 21")


def test_before_self_training_nothing_is_a_collapse() -> None:
    network = model()
    watch = CollapseWatch(network)
    watch.observe(CERTAIN)
    watch.check(network, Progress(0, 100), started=False)
    for _ in range(100):
        watch.observe(ONE)
    watch.check(network, Progress(10, 100), started=False)
    assert not watch.collapsed
    assert watch.notes() == []
    watch.check(network, Progress(20, 100))  # the level since self-training started is as low
    assert not watch.collapsed


def test_a_target_of_one_class_is_no_collapse() -> None:
    network = model()
    watch = CollapseWatch(network)
    for step in range(0, 100, 10):
        watch.observe(ONE)
        watch.check(network, Progress(step, 100))
    assert not watch.collapsed


def test_the_state_is_complete() -> None:
    watch, again = CollapseWatch(model()), CollapseWatch(model())
    watch.observe(CERTAIN)
    watch.check(model(), Progress(0, 100))
    again.load_state_dict(watch.state_dict())
    assert torch.equal(again.information(), watch.information())
    assert torch.equal(again.highest, watch.highest)
    assert torch.equal(again.end.steps, watch.end.steps)
