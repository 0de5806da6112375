"""Parts of adversarial refiners: history, losses, translator, watch."""

import numpy as np
import pytest
import torch

from synth2real.networks.adversarial import Steered, Translator, Watch, patch_loss, slope, square_loss


def test_patch_loss_is_the_cross_entropy_of_every_patch() -> None:
    logits = torch.zeros(2, 1, 3, 3)
    assert patch_loss(logits, real=True).item() == pytest.approx(np.log(2))
    assert patch_loss(logits + 50, real=True).item() == pytest.approx(0, abs=1e-6)
    assert patch_loss(logits + 50, real=False).item() == pytest.approx(50)


def test_square_loss_is_the_squared_distance_from_its_label() -> None:
    scores = torch.tensor([0.0, 0.5]).view(2, 1, 1, 1)
    assert square_loss(scores, real=True).item() == pytest.approx((1 + 0.25) / 2)
    assert square_loss(scores, real=False).item() == pytest.approx(0.125)


@pytest.mark.parametrize("stride", [1, 3])
def test_the_slope_of_a_linear_critic_is_its_squared_weight_whatever_the_size(stride: int) -> None:
    critic = torch.nn.Conv2d(1, 1, 3, stride=stride)
    squared = float(critic.weight.detach().square().sum())
    for size in (3, 30):
        found = [slope(critic, torch.rand(200, 1, size, size)).detach().item() for _ in range(20)]
        assert sum(found) / len(found) == pytest.approx(squared, rel=1e-5 if stride == 3 else 0.02)


@pytest.mark.parametrize("size", [(8, 8), (13, 18), (35, 55)])
def test_the_translator_begins_as_the_identity_and_keeps_every_size(size: tuple[int, int]) -> None:
    translator, x = Translator(3, maps=8, blocks=1), torch.rand(2, 3, *size)
    torch.testing.assert_close(translator(x), x)
    maps = translator.features(x)
    assert [z.shape[1] for z in maps] == list(translator.widths) == [8, 16, 16]
    assert maps[-1].shape[2:] == ((size[0] + 1) // 2, (size[1] + 1) // 2)


def test_a_steered_weight_holds_its_term_at_the_level() -> None:
    steered = Steered(level=0.2, weight=10.0, speed=0.1)
    for _ in range(400):
        steered.update(1 / (1 + steered.weight))  # a larger weight makes the term smaller
    assert float(steered.weight) == pytest.approx(4.0, rel=0.02)
    before = float(steered.weight)
    steered.update(torch.tensor(100.0))  # one update changes the weight by at most `speed`
    assert float(steered.weight) == pytest.approx(before * np.exp(0.1), rel=1e-5)


def test_a_watch_averages_the_second_half_and_returns_none_for_too_few_values() -> None:
    watch = Watch()
    for value in (9.0, 9.0, 1.0, 3.0):
        watch.see("change", torch.tensor(value))
    assert watch.mean("change", 4) == 2
    assert watch.mean("change", 5) is None
    assert watch.mean("accuracy", 1) is None
