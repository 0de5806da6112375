"""SimGAN: its three parts, and that a label survives."""

import pytest
import torch

from synth2real.data.domains import Labelled, Unlabelled
from synth2real.errors import InputError, RefinementWarning, TrainingDiverged
from synth2real.networks.adversarial import GlobalCritic, PaperCritic, Watch, patch_loss
from synth2real.networks.layers import PatchCritic, Refiner
from synth2real.refine import CUT, METHODS, SimGAN
from synth2real.refine.simgan import START
from synth2real.settings import build, to_dict
from synth2real.simulate import Digits
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Progress, SourceBatch, TargetBatch

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


def test_the_refiners_update_leaves_the_critic_out_and_the_other_way_round() -> None:
    gan = SimGAN(pretrain_critic=0, history=8)
    gan.prepare((1, 16, 16), LOOP)
    x = torch.rand(4, 1, 16, 16)
    batch = SourceBatch(x, torch.zeros(4).long(), x), TargetBatch(x, x, None)
    refining, criticising = gan.updates(*batch, Progress(5, 10))
    assert refining.of == (gan.refiner,)
    assert set(refining.terms) == {"realism", "closeness", "change"}
    assert refining.terms["closeness"][0] == START
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
    gan = SimGAN(steps=120, pretrain_critic=20, maps=12, blocks=1, regularisation=0.1, rate=2e-3)
    gan.fit(source, Unlabelled(dim), Loop(steps=1, batch=12, seed=0, hardware=Hardware()))
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


# The paper's preset and its ablations


def steps(gan: SimGAN, which: range) -> list[list[tuple[str, ...]]]:
    """The terms of each update of each step in `which`."""
    x = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    batches = SourceBatch(x, torch.zeros(6).long(), x), TargetBatch(x.flip(0), x.flip(0), None)
    return [[tuple(u.terms) for u in gan.updates(*batches, Progress(step, gan.all_steps))] for step in which]


def test_the_preset_is_the_papers_and_fields_beside_it_win() -> None:
    gan = SimGAN(preset="paper", maps=8)
    assert (gan.refiner_updates, gan.critic_updates, gan.pretrain_refiner, gan.pretrain_critic) == (50, 1, 1000, 200)
    assert (gan.optimize, gan.rate, gan.blocks, gan.output, gan.maps) == ("sgd", 0.001, 4, "image", 8)
    assert build(METHODS, "simgan", to_dict(gan)) == gan
    gan.prepare((1, 35, 55), LOOP)
    assert isinstance(gan.adversary, PaperCritic)
    assert isinstance(gan.optimizer(gan.refiner), torch.optim.SGD)


def test_the_papers_critic_has_its_layers_and_a_softmax_over_two_maps() -> None:
    critic = PaperCritic(1)
    convolutions = [layer for layer in critic if isinstance(layer, torch.nn.Conv2d)]
    assert [(c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions] == [
        (96, 3, 2),
        (64, 3, 2),
        (32, 3, 1),
        (32, 1, 1),
        (2, 1, 1),
    ]
    x = torch.rand(2, 1, 35, 55)
    logits = critic(x)
    assert logits.shape == (2, 1, 9, 14)
    both = torch.nn.Sequential(*critic)(2 * x - 1)
    real = torch.nn.functional.cross_entropy(both, torch.ones(2, 9, 14).long())
    assert patch_loss(logits, real=True).item() == pytest.approx(real.item(), rel=1e-5)


def test_the_papers_refiner_predicts_the_image() -> None:
    refiner = Refiner(1, maps=64, blocks=4, output="image")
    assert sum(p.numel() for p in refiner.parameters()) == (9 * 64 + 64) + 8 * (9 * 64 * 64 + 64) + (64 + 1)
    x = torch.rand(2, 1, 35, 55)
    torch.testing.assert_close(refiner(x), (torch.tanh(refiner.body(2 * x - 1)) + 1) / 2)


def test_the_schedule_is_the_refiner_then_the_critic_then_k_to_one() -> None:
    gan = SimGAN(steps=6, pretrain_refiner=2, pretrain_critic=1, refiner_updates=3, history=8, smoothness=0)
    gan.prepare((1, 16, 16), LOOP)
    refines, judges = ("realism", "closeness", "change"), ("critic", "accuracy")
    assert gan.all_steps == 9
    assert steps(gan, range(9)) == [
        *[[("closeness",)]] * 2,
        [judges],
        *[[refines], [refines], [refines, judges]] * 2,
    ]
    gan = SimGAN(pretrain_critic=0, critic_updates=2)
    gan.prepare((1, 16, 16), LOOP)
    assert steps(gan, range(1)) == [[refines, (*judges, "slope"), (*judges, "slope")]]


def test_every_part_can_be_switched_off() -> None:
    gan = SimGAN(history=0, local=False, regularisation=0, pretrain_critic=0)
    gan.prepare((1, 16, 16), LOOP)
    assert "history" not in gan.networks
    assert isinstance(gan.adversary, GlobalCritic)
    assert gan.adversary(torch.rand(3, 1, 16, 16)).shape == (3, 1, 1, 1)
    assert len(steps(gan, range(1))[0]) == 2


def test_sums_are_over_patches_and_pixels() -> None:
    mean, total = SimGAN(), SimGAN(reduce="sum")
    for gan in (mean, total):
        gan.prepare((1, 16, 16), LOOP)
    x = torch.rand(3, 1, 16, 16)
    assert total.realism_loss(x).item() == pytest.approx(16 * mean.realism_loss(x).item(), rel=1e-5)
    assert total.closeness_loss(x * 0.5, x).item() == pytest.approx(256 * mean.closeness_loss(x * 0.5, x).item())


def test_the_papers_losses_are_its_sums_over_patches() -> None:
    """Equations 2 and 4: the critic sums over refined and real patches, the refiner over patches and pixels."""
    gan = SimGAN(preset="paper", maps=4, blocks=1, history=0)
    gan.prepare((1, 35, 55), LOOP)
    x, y = torch.rand(3, 1, 35, 55), torch.rand(3, 1, 35, 55)
    refined = gan.refiner(x).detach()
    synthetic, real = (1 - torch.sigmoid(gan.adversary(z)) for z in (refined, y))  # the paper's D
    loss, _ = gan.critic_loss(refined, y)
    wanted = -(synthetic.log().sum() + (1 - real).log().sum()) / 3
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    parameters = list(gan.adversary.parameters())
    torch.testing.assert_close(torch.autograd.grad(loss, parameters), torch.autograd.grad(wanted, parameters))
    realism = -(1 - (1 - torch.sigmoid(gan.adversary(refined)))).log().sum() / 3
    assert gan.realism_loss(refined).item() == pytest.approx(realism.item(), rel=1e-5)
    assert gan.closeness_loss(refined, x).item() == pytest.approx((refined - x).abs().sum().item() / 3, rel=1e-5)
    mean = SimGAN(history=0)
    mean.prepare((1, 35, 55), LOOP)
    mean.adversary = gan.adversary
    assert mean.critic_loss(refined, y)[0].item() == pytest.approx(loss.item() / 2 / (9 * 14), rel=1e-5)


# Self-regularisation


def test_a_weight_that_is_given_stays_and_one_that_is_not_is_steered() -> None:
    x = (torch.rand(40, 1, 16, 16) * 255).to(torch.uint8)
    domains = Labelled(x, torch.arange(40) % 2), Unlabelled(255 - x.flip(0))
    weights = []
    for given in (2.0, None):
        gan = SimGAN(steps=4, pretrain_critic=0, maps=4, blocks=1, history=0, regularisation=given)
        gan.fit(*domains, LOOP)
        x0 = x[:4].float() / 255
        batches = SourceBatch(x0, torch.zeros(4).long(), x0), TargetBatch(x0, x0, None)
        weights.append(float(next(iter(gan.updates(*batches, Progress(0, 4)))).terms["closeness"][0]))
    assert weights[0] == 2.0
    assert weights[1] < START  # it begins as the identity, with less change than is allowed


class Half(torch.nn.Module):
    """A space of a user's own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 2


def closeness(space: str, after: torch.Tensor, before: torch.Tensor) -> float:
    gan = SimGAN(regularise_in=space)
    gan.prepare((3, 16, 16), LOOP)
    return gan.closeness_loss(after, before).item()


def test_closeness_is_measured_in_the_space_that_is_named() -> None:
    x = torch.rand(2, 3, 16, 16) * 0.5
    assert closeness("pixels", x + 0.1, x) == pytest.approx(0.1, rel=1e-4)
    assert closeness("channel-mean", x + 0.1, x) == pytest.approx(0.1, rel=1e-4)
    assert closeness("channel-mean", x.flip(3), x) == pytest.approx(0, abs=1e-6)
    assert closeness("edges", x + 0.1, x) == pytest.approx(0, abs=1e-6)
    assert closeness("edges", x * 0.5, x) > 0.01
    assert closeness(f"{__name__}:Half", x + 0.1, x) == pytest.approx(0.05, rel=1e-4)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("colour", "regularise_in is 'colour', expected one of: pixels, channel-mean, edges, or module:Class"),
        ("no.such:Thing", "cannot be built .*No module named"),
        ("torch:Nothing", "cannot be built .*Nothing"),
        ("builtins:dict", "is a dict, expected"),
    ],
)
def test_spaces_that_are_none(space: str, message: str) -> None:
    source = Labelled(torch.zeros(4, 1, 16, 16, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))
    with pytest.raises(InputError, match=message):
        SimGAN(regularise_in=space).check(source)


# Warnings and divergence


def test_a_refiner_that_changes_nothing_is_warned_about() -> None:
    x = (torch.rand(40, 1, 16, 16) * 255).to(torch.uint8)
    gan = SimGAN(steps=24, pretrain_critic=0, maps=4, blocks=1, regularisation=1000, history=0)
    source = Labelled(x, torch.arange(40) % 2)
    with pytest.warns(RefinementWarning, match=r"collapsed to the identity.*Lower refine\.regularisation"):
        gan.fit(source, Unlabelled(x.flip(0)), LOOP)


def test_a_critic_that_always_wins_is_warned_about() -> None:
    gan = SimGAN()
    gan.watch = Watch()
    for accuracy in [0.5] * 20 + [0.99] * 20:
        gan.watch.see("accuracy", torch.tensor(accuracy))
        gan.watch.see("change", torch.tensor(0.1))
    with pytest.warns(
        RefinementWarning, match=r"classified 99\.0% of the patches correctly.*Raise refine\.refiner_updates"
    ):
        gan.judge()


def test_an_even_game_and_a_short_one_pass_without_a_word(recwarn) -> None:
    for count, accuracy, change in ((40, 0.7, 0.05), (5, 1.0, 0.0)):
        gan = SimGAN()
        gan.watch = Watch()
        for _ in range(count):
            gan.watch.see("accuracy", torch.tensor(accuracy))
            gan.watch.see("change", torch.tensor(change))
        gan.judge()
    assert not recwarn.list


def test_weights_before_a_divergence_stay_usable(tmp_path) -> None:
    x = (torch.rand(40, 1, 16, 16) * 255).to(torch.uint8)
    gan = SimGAN(steps=50, pretrain_critic=0, maps=4, blocks=1, rate=1e30)
    with pytest.raises(TrainingDiverged, match=r"refine\.rate"):
        gan.fit(Labelled(x, torch.arange(40) % 2), Unlabelled(x.flip(0)), LOOP)
    assert all(weight.isfinite().all() for weight in gan.learnt().values())
    gan.save(tmp_path)
    assert gan.transform(x).shape == x.shape


@pytest.mark.parametrize("steps", [1, 2, 7, 100, 440, 441, 5000])
def test_all_steps_are_as_many_as_asked_for(steps: int) -> None:
    for own in (SimGAN(), SimGAN(preset="paper"), SimGAN(pretrain_refiner=30, pretrain_critic=0), CUT()):
        refiner = own.lasting(steps)
        assert refiner.all_steps == steps
        assert refiner.steps >= 1


def test_more_steps_leave_the_pretraining_as_it_is_and_fewer_shorten_it() -> None:
    own = SimGAN()  # 100 and 340 steps
    more, fewer = own.lasting(1000), own.lasting(220)
    assert (more.pretrain_critic, more.steps) == (100, 900)
    assert (fewer.pretrain_critic, fewer.steps) == (50, 170)
    assert (own.pretrain_critic, own.steps) == (100, 340)
