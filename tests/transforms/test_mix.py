"""Labels are mixed like the images. A task that cannot mix labels raises an error."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synth2real.adapt import DANN, METHODS, Objective, SourceOnly, Teacher
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.labels import Boxes, Masks
from synth2real.errors import InputError
from synth2real.randomize import Full, Photometric
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.tasks import Classification, Detection, Gaze, Keypoints, Regression
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Trainer
from synth2real.transforms.mix import BoxPaste, Mix, Mosaic

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


SIZE = (24, 32)


def blocks(count: int, seed: int) -> tuple[torch.Tensor, Boxes]:
    """Images of one block each whose grey level is 1 + its index, and its box."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.stack([torch.randint(0, side - 8, (count,), generator=generator) for side in (SIZE[1], SIZE[0])], 1)
    corners = torch.cat([low, low + torch.randint(3, 9, (count, 2), generator=generator)], 1).float()
    images = torch.zeros(count, 1, *SIZE)
    for i, (left, top, right, bottom) in enumerate(corners.int().tolist()):
        images[i, 0, top:bottom, left:right] = i + 1
    return images, Boxes.of(list(corners[:, None]), list(torch.arange(count)[:, None]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([0.0, 0.3]))
def test_boxes_of_mixed_images_are_around_what_is_seen_of_their_objects(
    seed: int, quarters: bool, least: float
) -> None:
    images, boxes = blocks(6, seed)
    generator = torch.Generator().manual_seed(seed)
    mix = (
        Mosaic.sample(6, SIZE, share=0.7, generator=generator)
        if quarters
        else Mix.sample(6, SIZE, cutmix=1.0, generator=generator)
    )
    task = Detection(tuple("abcdef"), SIZE, 3.0, least)
    mixed, found = mix.image(images), task.mix(boxes, mix)
    whole = (images > 0).sum((1, 2, 3))
    for i in range(6):
        own = found[torch.tensor([i])]
        seen = {k: mixed[i, 0] == k + 1 for k in range(6)}
        expected = [k for k, pixels in seen.items() if pixels.any() and pixels.sum() >= least * whole[k]]
        assert sorted(set(own.classes.tolist())) == expected
        for box, k in zip(own.corners.int().tolist(), own.classes.tolist(), strict=True):
            left, top, right, bottom = box
            rows, columns = seen[k].any(1).nonzero().flatten(), seen[k].any(0).nonzero().flatten()
            assert (left, top) >= (0, 0)
            assert int(columns[0]) <= left < right <= int(columns[-1]) + 1
            assert int(rows[0]) <= top < bottom <= int(rows[-1]) + 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_masks_in_a_mosaic_are_where_their_images_are(seed: int) -> None:
    images, _ = blocks(6, seed)
    mosaic = Mosaic.sample(6, SIZE, share=0.7, generator=torch.Generator().manual_seed(seed))
    masks = Masks(images[:, 0].to(torch.uint8))
    assert torch.equal(masks.mixed(mosaic).tensor, mosaic.image(images)[:, 0].to(torch.uint8))
    shares = mosaic.labels(torch.eye(6))
    assert torch.allclose(shares.sum(1), torch.ones(6))
    of_mosaic = (mosaic.images != torch.arange(6)[:, None]).any(1)
    assert torch.equal(shares.diagonal()[~of_mosaic], torch.ones(6)[~of_mosaic])


def test_a_mosaic_has_the_image_itself_in_a_quarter_and_a_centre_in_the_middle() -> None:
    mosaic = Mosaic.sample(400, SIZE, share=0.5, generator=torch.Generator().manual_seed(0))
    own = mosaic.images == torch.arange(400)[:, None]
    assert own.any(1).all()
    assert 0.4 < own.all(1).float().mean() < 0.6
    assert (mosaic.centre >= torch.tensor([6, 8])).all()
    assert (mosaic.centre <= torch.tensor([18, 24])).all()


def test_pasted_rectangles_show_half_of_the_objects_of_a_share_of_the_images() -> None:
    images, boxes = blocks(300, 1)
    torch.manual_seed(0)
    pasted = BoxPaste.sample(boxes.corners, boxes.image, 300, SIZE, 0.5)
    shown = pasted.paste(images, torch.zeros_like(images)) > 0
    whole = images > 0
    complete = (shown == whole).all(3).all(2).all(1)
    assert (complete | ~pasted.region.any(3).any(2).any(1)).all()
    assert 0.18 < complete.float().mean() < 0.32


def test_mosaics_are_for_masks_and_boxes() -> None:
    x = torch.rand(8, 1, *SIZE)
    policy = Photometric(mosaic=1.0).settled(Detection(("a",), SIZE, 3.0))
    assert policy.mixes == ("mosaic",)
    assert isinstance(policy.mix(x, torch.Generator().manual_seed(0)), Mosaic)
    both = Photometric(mosaic=1.0, cutmix=1.0)
    kinds = {type(both.mix(x, torch.Generator().manual_seed(seed))) for seed in range(12)}
    assert kinds == {Mix, Mosaic}
    with pytest.raises(
        InputError, match=r"randomize.mosaic=1 mixes two images, .* expected a task of: segment, detect"
    ):
        Photometric(mosaic=1.0).settled(Classification(("a", "b")))
