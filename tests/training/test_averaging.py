"""Averages of weights: what they follow, how fast, and what they leave alone."""

import pytest
import torch
from torch import nn

from synth2real.networks.tuning import Tuned
from synth2real.tasks import Classification
from synth2real.training.averaging import RunningMean, follow, frozen, unfrozen
from synth2real.training.loop import Progress
from synth2real.training.model import Model


def model(**settings) -> Model:
    torch.manual_seed(0)
    return Model(Classification(("a", "b")), (1, 16, 16), norm="batch", **settings)


def test_a_copy_predicts_the_same_without_gradients() -> None:
    network, x = model().eval(), torch.rand(4, 1, 16, 16)
    copied = frozen(network)
    assert torch.equal(copied(x), network(x))
    assert not any(p.requires_grad for p in copied.parameters())
    assert all(p.requires_grad for p in network.parameters())


def test_a_feature_extractor_that_is_not_trained_is_shared() -> None:
    network = model(tune="frozen", bottleneck=8)
    copied = frozen(network)
    assert isinstance(copied.features[1], Tuned)
    assert copied.backbone is network.backbone
    assert copied.head is not network.head
    assert {name for name, p in unfrozen(copied).named_parameters() if p.requires_grad} == {
        name for name, _ in copied.named_parameters() if name.startswith(("head", "features.bottleneck"))
    }


def test_a_copy_shares_the_first_layers_and_trains_the_last_ones() -> None:
    network = model(tune="last")
    copied = frozen(network)
    shared = {id(p) for p in network.parameters()} & {id(p) for p in copied.parameters()}
    trained = {name for name, p in unfrozen(copied).named_parameters() if p.requires_grad}
    assert trained == {name for name, p in unfrozen(network).named_parameters() if p.requires_grad}
    assert {id(p) for p in copied.parameters() if not p.requires_grad} == shared
    assert any(name.startswith("features.1") for name in trained)


def test_weights_and_batch_statistics_are_averaged_and_counts_are_copied() -> None:
    network = model()
    average = frozen(network)
    before = {key: value.clone() for key, value in average.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
        network(torch.rand(8, 1, 16, 16))
    follow(average, network, 0.75, Progress(500, 1000))
    now = network.state_dict()
    for key, value in average.state_dict().items():
        expected = 0.75 * before[key] + 0.25 * now[key] if value.is_floating_point() else now[key]
        torch.testing.assert_close(value, expected)


def test_the_average_moves_faster_at_first() -> None:
    weights = []
    for step, share in ((0, 0.9), (89, 9 / 99), (10_000, 0.002)):
        network = nn.Linear(1, 1)
        average = nn.Linear(1, 1)
        nn.init.ones_(network.weight)
        nn.init.zeros_(average.weight)
        follow(average, network, 0.998, Progress(step, 20_000))  # type: ignore[arg-type]
        weights.append((average.weight.item(), share))
    for found, expected in weights:
        assert found == pytest.approx(expected, rel=1e-4)


def test_a_running_mean_is_the_mean_of_all_values_at_first_and_then_follows() -> None:
    running = RunningMean(torch.zeros(1), momentum=0.9)
    for value in (1.0, 2.0, 3.0):
        running.update(torch.tensor([value]))
    assert running.mean.item() == pytest.approx(2.0)
    for _ in range(200):
        running.update(torch.tensor([5.0]))
    assert running.mean.item() == pytest.approx(5.0, abs=1e-3)
