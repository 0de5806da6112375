"""Untied: which layers are shared, and how far own ones may go."""

import math

import pytest
import torch
from torch import nn

from synth2real.adapt import Untied
from synth2real.adapt.untied_weights import Maps, weighted
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.tasks import Classification
from synth2real.training.model import Model


def prepared(**settings) -> Untied:
    method = Untied(**settings)
    method.prepare(Model(Classification(("a", "b")), (1, 28, 28)), Unlabelled(torch.rand(8, 1, 28, 28)))
    return method


def test_tied_layers_are_the_same_and_own_ones_are_not() -> None:
    method = prepared(untied_layers=(0, 2))
    ours, theirs = weighted(method.model), weighted(method.latest())
    assert len(ours) == len(theirs) == 4  # three convolutions with their normalisation, a hidden layer
    for index, (source, target) in enumerate(zip(ours, theirs, strict=True)):
        for one, other in zip(source, target, strict=True):
            assert (one is other) == (index not in (0, 2))
    assert method.model.head is method.latest().head
    shared = {id(p) for p in method.model.parameters()} & {id(p) for p in method.own_layers.parameters()}
    assert not shared
    own = {id(p) for p in method.own_layers.parameters()}
    assert {id(p) for p in method.latest().parameters()} - {id(p) for p in method.model.parameters()} == own


def test_before_training_both_streams_say_the_same() -> None:
    method, x = prepared(), torch.rand(3, 1, 28, 28)
    assert torch.equal(method.model(x), method.latest()(x))
    assert method.maps(method.pairs).item() == 0


def test_own_weights_are_free_up_to_scale_and_level() -> None:
    maps, weights = Maps(1), torch.tensor([1.0, 2.0, -1.0])
    pair = [[(weights, 3 * weights + 0.5)]]
    assert maps(pair).item() == pytest.approx(math.exp(float((2 * weights + 0.5).square().sum())) - 1, rel=1e-4)
    with torch.no_grad():
        maps.scale.fill_(3.0)
        maps.level.fill_(0.5)
    assert maps(pair).item() == 0


def test_a_layer_that_is_none_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"adapt.untied_layers names the layer 9, but the network has 4, expected 0 to 3"
    ):
        prepared(untied_layers=(9,))


def test_blocks_are_taken_apart() -> None:
    """A network of nested blocks is not one layer."""
    block = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    network = nn.Sequential(
        block, nn.Sequential(nn.Sequential(nn.Conv2d(4, 8, 3)), nn.AdaptiveAvgPool2d(1)), nn.Flatten()
    )
    model = Model(Classification(("a", "b")), (1, 28, 28), features=network)
    assert [[type(part) for part in layer] for layer in weighted(model)] == [[nn.Conv2d, nn.BatchNorm2d], [nn.Conv2d]]
    method = Untied(untied_layers=(1,))
    method.prepare(model, Unlabelled(torch.rand(8, 1, 28, 28)))
    ours, theirs = weighted(method.model), weighted(method.latest())
    assert ours[0][0] is theirs[0][0]
    assert ours[1][0] is not theirs[1][0]
