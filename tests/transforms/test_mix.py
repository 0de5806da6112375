"""Labels are mixed like the images. A task that cannot mix labels raises an error."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synth2real.adapt import DANN, METHODS, Objective, SourceOnly, Teacher
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.errors import InputError
from synth2real.randomize import Full, Photometric
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.tasks import Classification, Gaze, Keypoints, Regression
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Trainer
from synth2real.transforms.mix import Mix

ALPHAS = pytest.mark.parametrize(("mixup", "cutmix"), [(0.2, 0.0), (1.0, 0.0), (0.0, 1.0), (0.4, 1.0)])


@ALPHAS
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_labels_are_mixed_as_the_images_are(mixup: float, cutmix: float, seed: int) -> None:
    labels = torch.arange(12) % 5
    shares = torch.eye(5)[labels]
    x = shares[:, :, None, None].expand(-1, -1, 14, 18).contiguous()  # channel c is the share of class c
    mix = Mix.sample(12, (14, 18), mixup=mixup, cutmix=cutmix, generator=torch.Generator().manual_seed(seed))
    task = Classification(tuple("abcde"))
    soft = task.mix(labels, mix)
    torch.testing.assert_close(mix.image(x).mean((2, 3)), soft, atol=1e-5, rtol=0)
    torch.testing.assert_close(soft.sum(1), torch.ones(12))
    torch.testing.assert_close(task.mix(shares, mix), soft)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_beta(alpha: float) -> None:
    mix = Mix.sample(20_000, (1, 1), mixup=alpha, generator=torch.Generator().manual_seed(0))
    assert float(mix.share.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(mix.share.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)


def test_patches_show_the_other_image_and_each_operation_gets_half_of_the_images() -> None:
    mix = Mix.sample(2000, (16, 16), mixup=1.0, cutmix=1.0, generator=torch.Generator().manual_seed(0))
    cut = mix.patch[:, 2] > 0
    assert 0.45 < cut.float().mean() < 0.55
    assert mix.opacity.flatten()[cut].eq(1).all()


def test_soft_labels_go_through_the_loss_of_the_task() -> None:
    task, outputs = Classification(tuple("abc")), torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 1])
    hard, soft = task.losses(outputs, labels), task.losses(outputs, task.shares(labels))
    torch.testing.assert_close(hard, soft)
    half = task.losses(outputs, (task.shares(labels) + task.shares(labels.roll(1))) / 2)
    torch.testing.assert_close(half, (hard + task.losses(outputs, labels.roll(1))) / 2)


def test_values_are_mixed_in_proportion_and_an_unknown_one_stays_unknown() -> None:
    task = Regression(("a",), (0.0,), (1.0,))
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.25, 1.0]).view(2, 1, 1, 1), torch.zeros(2, 4), (4, 4))
    torch.testing.assert_close(task.mix(torch.tensor([[0.0], [8.0]]), mix), torch.tensor([[6.0], [8.0]]))
    assert task.mix(torch.tensor([[0.0], [torch.nan]]), mix)[0].isnan().all()


@pytest.mark.parametrize("policy", [Photometric(mixup=0.2), Full(cutmix=1.0)])
@pytest.mark.parametrize("task", [Keypoints(("x", "y"), (8, 8)), Gaze()], ids=["keypoints", "gaze"])
def test_places_and_directions_are_refused(policy: Photometric, task: Keypoints | Gaze) -> None:
    with pytest.raises(InputError, match=rf"(?s){policy.mixes[0]}=.*task {task.kind}.*classify.*to 0"):
        policy.settled(task)


def test_cutmix_of_numbers_is_refused_and_mixup_is_not() -> None:
    task = Regression(("a",), (0.0,), (1.0,))
    assert Photometric(mixup=0.2).settled(task).mixes == ("mixup",)
    with pytest.raises(InputError, match="expected a task of: classify"):
        Photometric(cutmix=1.0).settled(task)


def source(n: int = 48) -> Labelled:
    images = (torch.rand(n, 1, 12, 12, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
    return Labelled(images, torch.arange(n) % 3, tuple("abc"))


@pytest.mark.parametrize("adapt", [SourceOnly(), DANN(), Teacher()], ids=["source-only", "dann", "teacher"])
def test_methods_that_take_soft_labels_train_on_them(adapt: Objective) -> None:
    data = source()
    route = Route(randomize=Photometric(mixup=0.5, cutmix=1.0), adapt=adapt)
    run = route.run(data, data.unlabelled(), budget=Budget(steps=3, batch=16))
    assert run.model.predict(data.unlabelled()).values.isfinite().all()


def test_methods_that_do_not_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS["dann"], "soft_labels", False)
    data = source()
    with pytest.raises(InputError, match=r"randomize.mixup.*adapt dann cannot train on.*source-only.*teacher"):
        Route(randomize=Photometric(mixup=0.5), adapt=DANN()).check(
            data, data.unlabelled(), task=Classification.of(data)
        )


def test_the_target_is_not_mixed_and_a_trainer_that_cannot_mix_is_refused() -> None:
    data = source()
    policy = Photometric(strength=1.0, mixup=1.0, contrast=0, brightness=0, inversion=0, solarization=0)
    policy.clutter = policy.noise = policy.blur = policy.cutout = 0
    objective = Route().prepare(data, data.unlabelled(), Classification.of(data), 0)
    loop = Loop(steps=1, batch=16, hardware=Hardware(), randomize=policy)
    batch, target = Trainer(objective, data, data.unlabelled(), loop, mix=Classification.of(data).mix).batches()
    assert not torch.equal(batch.x, batch.clean)
    torch.testing.assert_close(target.x, target.clean)
    assert batch.y.shape == (16, 3)
    with pytest.raises(InputError, match="the randomization mixes images, but labels cannot be mixed here"):
        Trainer(objective, data, Unlabelled(data.inputs), loop).batches()


def test_invalid_arguments_are_refused() -> None:
    generator = torch.Generator()
    with pytest.raises(InputError, match="at least one above 0"):
        Mix.sample(4, (8, 8), generator=generator)
    mix = Mix.sample(4, (8, 8), mixup=1.0, generator=generator)
    with pytest.raises(InputError, match=r"images of shape \(4, 1, 9, 8\): the mix expects \(4, C, 8, 8\)"):
        mix.image(torch.rand(4, 1, 9, 8))
