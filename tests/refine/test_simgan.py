"""SimGAN: its three parts, and that a label survives."""

import numpy as np
import pytest
import torch

from synth2real.adversarial import History, patch_loss
from synth2real.domains import Labelled, Unlabelled
from synth2real.errors import InputError
from synth2real.hardware import Hardware
from synth2real.networks import PatchCritic, Refiner
from synth2real.refine import METHODS, SimGAN
from synth2real.settings import build, to_dict
from synth2real.simulate import Digits
from synth2real.training import Loop, Progress, SourceBatch, TargetBatch

LOOP = Loop(steps=1, batch=16, hardware=Hardware())


def test_the_critic_judges_patches_and_only_what_they_see() -> None:
    critic = PatchCritic(1)
    x = torch.rand(1, 1, 64, 64)
    logits = critic(x)
    assert logits.shape == (1, 1, 16, 16)
    changed = x.clone()
    changed[..., 40:, 40:] = 0
    torch.testing.assert_close(critic(changed)[..., :7, :7], logits[..., :7, :7])


def test_the_refiner_keeps_size_and_range() -> None:
    for size in ((8, 8), (35, 55)):
        refined = Refiner(3)(torch.rand(2, 3, *size))
        assert refined.shape == (2, 3, *size)
        assert 0 <= refined.min() <= refined.max() <= 1


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


def test_patch_loss_is_the_cross_entropy_of_every_patch() -> None:
    logits = torch.zeros(2, 1, 3, 3)
    assert patch_loss(logits, real=True).item() == pytest.approx(np.log(2))
    assert patch_loss(logits + 50, real=True).item() == pytest.approx(0, abs=1e-6)
    assert patch_loss(logits + 50, real=False).item() == pytest.approx(50)


def test_the_refiners_update_leaves_the_critic_out_and_the_other_way_round() -> None:
    gan = SimGAN(pretrain_critic=0, history=8)
    gan.prepare((1, 16, 16), LOOP)
    x = torch.rand(4, 1, 16, 16)
    batch = SourceBatch(x, torch.zeros(4).long(), x), TargetBatch(x, x, None)
    refining, criticising = gan.updates(*batch, Progress(5, 10))
    assert refining.of == (gan.refiner,)
    assert set(refining.terms) == {"realism", "closeness", "change"}
    assert refining.terms["closeness"][0] == gan.regularisation
    assert criticising.of == (gan.adversary,)
    loss = criticising.loss()
    gradients = torch.autograd.grad(loss, list(gan.refiner.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


def test_settings_survive_a_round_trip() -> None:
    gan = SimGAN(steps=7, regularisation=0.5)
    assert build(METHODS, "simgan", to_dict(gan)) == gan


def test_features_are_refused() -> None:
    source = Labelled(torch.randn(20, 4), torch.tensor([0, 1] * 10))
    with pytest.raises(InputError, match="needs images, found features"):
        SimGAN().fit(source, Unlabelled(torch.randn(9, 4)), LOOP)


def test_refined_images_move_towards_the_real_ones_and_keep_what_they_are() -> None:
    """Bright digits, dim real ones: refinement dims them, and each stays nearest to its own original."""
    source = Digits(size=(16, 16)).labelled(400, 0)
    dim = (Digits(size=(16, 16)).labelled(400, 1).inputs[torch.arange(400)].float() * 0.5 + 60).to(torch.uint8)
    gan = SimGAN(steps=170, pretrain_critic=30, maps=16, blocks=1, regularisation=0.1, rate=2e-3)
    gan.fit(source, Unlabelled(dim), Loop(steps=1, batch=32, seed=0, hardware=Hardware()))
    raw = source.inputs[torch.arange(400)]
    refined = gan.transform(raw)
    assert refined.dtype == torch.uint8
    assert refined.shape == raw.shape

    def off(x: torch.Tensor) -> float:
        return abs(float(x.float().mean() - dim.float().mean()))

    assert off(refined) < 0.7 * off(raw)
    flat, ours = (z.float().flatten(1) for z in (raw, refined))
    correlation = torch.corrcoef(torch.cat([flat[:60], ours[:60]]))[:60, 60:]
    assert (correlation.argmax(0) == torch.arange(60)).double().mean() > 0.95
