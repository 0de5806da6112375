"""How much of a network is trained: the default, the last layers, and what stays in evaluation mode."""

import copy

import pytest
import torch
from torch import nn

from synth2real.networks.tuning import Tuned, default_tune, tuned_parts


def net() -> nn.Sequential:
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)) for _ in range(4)]
    return nn.Sequential(*blocks)


@pytest.mark.parametrize(
    ("pretrained", "images", "device", "expected"),
    [
        (False, 10, "cpu", "whole"),
        (False, 10, "cuda", "whole"),
        (True, 10**6, "cpu", "frozen"),
        (True, 999, "cuda", "last"),
        (True, 1000, "cuda", "whole"),
        (True, 1000, "mps", "whole"),
    ],
)
def test_the_default_follows_from_weights_images_and_machine(pretrained, images, device, expected) -> None:
    assert default_tune(pretrained, images, device) == expected


@pytest.mark.parametrize(
    ("tune", "trained"),
    [("frozen", set()), ("last", {"3.0", "3.1"}), ("whole", {f"{i}.{j}" for i in range(4) for j in (0, 1)})],
)
def test_the_last_quarter_of_the_layers_is_trained(tune, trained) -> None:
    tuned = Tuned(net(), tune)
    names = {name.rpartition(".")[0] for name, p in tuned.network.named_parameters() if p.requires_grad}
    assert names == trained
    tuned.requires_grad_(True)
    tuned.settle()
    assert {name.rpartition(".")[0] for name, p in tuned.network.named_parameters() if p.requires_grad} == trained


def test_what_is_not_trained_stays_in_evaluation() -> None:
    tuned = Tuned(net(), "last")
    for once in (tuned, tuned.train(), copy.deepcopy(tuned).train()):
        assert [block[2].training for block in once.network] == [False, False, False, True]
        assert [block[1].training for block in once.network] == [False, False, False, True]
    assert not any(module.training for module in Tuned(net(), "frozen").train().network.modules())
    assert not any(module.training for module in Tuned(net(), "whole").eval().modules())


def test_pretrained_statistics_are_kept_or_trained() -> None:
    for norm, kept in (("kept", True), ("trained", False)):
        tuned, x = Tuned(net(), "whole", pretrained=True, norm=norm).train(), torch.randn(16, 4)
        before = [block[1].running_mean.clone() for block in tuned.network]
        tuned(x)
        same = [torch.equal(b, block[1].running_mean) for b, block in zip(before, tuned.network, strict=True)]
        assert same == [kept] * 4
        assert len(tuned.held_norms) == 4 * kept
        assert all(block[2].training for block in tuned.network), "dropout is as in the training"


def test_a_copy_settles_its_own_parameters() -> None:
    copied = copy.deepcopy(Tuned(net(), "last"))
    copied.requires_grad_(True)
    copied.settle()
    assert [p.requires_grad for p in copied.parameters()] == [False] * 12 + [True] * 4


def test_tuned_parts_are_found() -> None:
    tuned = Tuned(nn.Linear(2, 2))
    assert list(tuned_parts(nn.Sequential(nn.Linear(2, 2), tuned))) == [tuned]
