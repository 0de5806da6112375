"""Every policy: strength 0 is the identity, the same seed gives the same bits, colours stay within range."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from synth2real.errors import InputError
from synth2real.randomize import METHODS, Full, Geometric, Photometric, Policy, Widen
from synth2real.settings import build, name_of, to_dict
from synth2real.tasks import Classification, Detection, Gaze, Keypoints, Segmentation
from synth2real.transforms.sampling import Rows
from synth2real.transforms.warp import layout

EVERY = pytest.mark.parametrize("name", METHODS)


def images(channels: int = 3, size: tuple[int, int] = (28, 28)) -> Tensor:
    x = torch.rand(8, channels, *size, generator=torch.Generator().manual_seed(0))
    return x.contiguous(memory_format=torch.channels_last)


def draw(policy: Policy, x: Tensor, seed: int = 0) -> Tensor:
    return policy.draw(x, torch.Generator().manual_seed(seed))[0]


@EVERY
def test_strength_zero_is_the_identity(name: str) -> None:
    x = images()
    y, warp = build(METHODS, name, {"strength": 0}).draw(x, torch.Generator())
    assert torch.equal(y, x)
    assert warp is None


@EVERY
@pytest.mark.parametrize(("channels", "size"), [(1, (28, 28)), (3, (36, 60)), (3, (64, 64))])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), strength=st.floats(0, 1))
def test_range_shape_layout_and_seed(
    name: str, channels: int, size: tuple[int, int], seed: int, strength: float
) -> None:
    policy, x = build(METHODS, name, {"strength": strength}), images(channels, size)
    y = draw(policy, x, seed)
    assert y.shape == x.shape
    assert layout(y) == layout(x)
    assert y.min() >= 0
    assert y.max() <= 1
    assert torch.equal(draw(policy, x, seed), y)


@EVERY
def test_settings_survive_a_round_trip_and_nonsense_is_refused(name: str) -> None:
    policy = build(METHODS, name, {"strength": 0.25})
    assert build(METHODS, name_of(METHODS, policy), to_dict(policy)) == policy
    with pytest.raises(InputError, match="strength"):
        build(METHODS, name, {"strength": 1.5})


def test_policies_that_move_pixels_return_a_warp() -> None:
    for policy, moves in ((Photometric(), False), (Geometric(), True), (Full(), True)):
        assert (policy.draw(images(), torch.Generator())[1] is not None) == moves


def test_full_is_geometric_then_photometric() -> None:
    x, generator = images(), torch.Generator().manual_seed(7)
    warped, _ = Geometric().draw(x, generator)
    changed, _ = Photometric().draw(warped, generator)
    assert torch.equal(draw(Full(), x, 7), changed)


@pytest.mark.parametrize(("size", "share"), [((8, 8), 8 / 28), ((40, 14), 0.5), ((28, 28), 1.0), ((64, 64), 1.0)])
def test_what_acts_on_single_pixels_is_weaker_in_small_frames(size: tuple[int, int], share: float) -> None:
    x, strength = torch.rand(2000, 1, *size), 0.5
    transform = Photometric(strength=strength)._photometric(x, torch.Generator().manual_seed(0))
    most = {"clutter": 0.4, "noise": 0.15, "blur": 1.0}
    for name, amplitude in most.items():
        assert float(getattr(transform, name).max()) == pytest.approx(strength * share * amplitude, rel=0.01)
    assert float(transform.hole[:, 2:].max()) == pytest.approx(strength * share * 0.4, rel=0.01)
    assert float((transform.unfold == 0).float().mean()) == pytest.approx(0.5 * share, abs=0.04)  # solarized
    assert float(transform.scale.abs().max()) == pytest.approx(math.e ** (strength * 1.0), rel=0.01)  # contrast: whole


def test_the_returned_warp_is_the_one_applied_to_the_image() -> None:
    x = images()
    y, warp = Geometric().draw(x, torch.Generator().manual_seed(1))
    assert warp is not None
    assert torch.equal(warp.image(x), y)


def test_widen_calls_the_simulator() -> None:
    class Recorder:
        def widened(self, factor: float) -> float:
            return factor

    assert Widen(factor=2.0)(Recorder()) == 2.0  # type: ignore[arg-type, comparison-overlap]
    with pytest.raises(InputError, match="expected greater than or equal to 1"):
        Widen(factor=0.5)


def test_the_task_settles_whether_pictures_turn_negative() -> None:
    classes, values = Classification(("a", "b")), Keypoints(("x", "y"), (32, 32))
    for policy in (Photometric(), Full()):
        assert (policy.settled(classes).inversion, policy.settled(classes).solarization) == (0.5, 0.5)
        assert (policy.settled(values).inversion, policy.settled(values).solarization) == (0.0, 0.0)
        assert (policy.settled(classes).strength, policy.settled(values).strength) == (0.5, 0.5)
    assert Geometric(strength=0.7).settled(values).strength == 0.7
    assert Photometric(inversion=0.3).settled(values).inversion == 0.3


def test_dark_stays_dark_where_the_task_settles_it() -> None:
    x = torch.zeros(64, 1, 32, 32)
    x[..., 8:24, 8:24] = 1.0
    policy = Photometric(strength=0.2).settled(Keypoints(("x", "y"), (32, 32)))
    drawn = draw(policy, x, 0)
    assert (drawn[..., 8:24, 8:24].mean((1, 2, 3)) > drawn[..., :6, :].mean((1, 2, 3))).all()


def test_one_point_and_gaze_are_mirrored_where_the_task_settles_it() -> None:
    two = Keypoints(("a_x", "a_y", "b_x", "b_y"), (32, 32))
    for policy in (Geometric(), Full()):
        for task, mirror in ((Keypoints(("x", "y"), (32, 32)), 0.5), (Gaze(), 0.5), (two, 0.0)):
            assert policy.settled(task).mirror == mirror
        assert policy.settled(Classification(("a", "b"))).mirror == 0.0
    assert Geometric(mirror=0.1).settled(two).mirror == 0.1


def test_classes_vary_more_in_size_than_values_where_the_task_settles_it() -> None:
    classes, values = Classification(("a", "b")), Keypoints(("x", "y"), (32, 32))
    for policy in (Geometric(), Full()):
        assert (policy.settled(classes).scale, policy.settled(values).scale) == (0.6, 0.2)
    assert Geometric(scale=0.1).settled(classes).scale == 0.1
    x = torch.zeros(500, 1, 32, 32)
    x[..., 12:20, 12:20] = 1.0
    only = {"rotation": 0.0, "aspect": 0.0, "shear": 0.0, "shift": 0.0, "elastic": 0.0}
    for task, most in ((classes, 0.3), (values, 0.1)):  # half the amplitude at the usual strength
        area = draw(Geometric(**only).settled(task), x, 0).mean((1, 2, 3)) / x[0].mean()
        assert float(area.max().sqrt()) == pytest.approx(1 + most, abs=0.04)
        assert float(area.min().sqrt()) == pytest.approx(1 - most, abs=0.04)


def test_clutter_and_noise_follow_the_contrast_of_an_image() -> None:
    shown = (torch.arange(64).view(1, 1, 8, 8) % 2).float()  # a standard deviation of 0.5
    x = torch.cat([shown, 0.5 + 0.1 * (shown - 0.5)])
    transform = Photometric(strength=1)._photometric(x, torch.Generator().manual_seed(0))
    same = Photometric(strength=1)._photometric(torch.cat([shown, shown]), torch.Generator().manual_seed(0))
    for one, full in ((transform.clutter, same.clutter), (transform.noise, same.noise)):
        share = (one / full).flatten()
        assert share.tolist() == pytest.approx([1.0, float(x[1].std(correction=0)) / 0.25], rel=1e-4)


@pytest.mark.parametrize("policy", [Geometric, Full])
def test_random_crops_are_off_by_default_and_move_the_points(policy) -> None:
    task = Keypoints(("x", "y"), (24, 24))
    x = torch.rand(4, 1, 24, 24)
    generator = torch.Generator().manual_seed(0)
    still = {"rotation": 0.0, "scale": 0.0, "aspect": 0.0, "shear": 0.0, "shift": 0.0, "elastic": 0.0, "mirror": 0.0}
    assert policy().crop == 0
    same, cropped = (policy(strength=1.0, crop=crop, **still).settled(task) for crop in (0.0, 0.9))
    centre = torch.full((4, 1, 2), 11.5)
    assert torch.allclose(same.draw(x, generator)[1].points(centre), centre, atol=1e-4)
    moved = cropped.draw(x, generator)[1].points(centre)
    assert (moved - centre).norm(dim=-1).min() > 0


CAMERA = {"background": 1.0, "occluder": 0.5, "texture": 0.7, "motion": 0.3, "shot": 0.1, "jpeg": 0.9}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("more", [{}, CAMERA], ids=["usual", "camera"])
def test_a_part_of_a_batch_is_randomized_as_in_the_whole_batch(name: str, more: dict[str, float]) -> None:
    """As on one of several processes, which all draw the same random numbers."""
    known = {field.name for field in dataclasses.fields(METHODS[name])}
    policy = METHODS[name](**{key: value for key, value in more.items() if key in known})
    x, generator = torch.rand(23, 3, 20, 21, generator=torch.Generator().manual_seed(0)), torch.Generator()
    whole, warp = policy.draw(x, generator.manual_seed(1))
    after = generator.get_state()
    for index in torch.arange(len(x)).tensor_split(3):
        rows = Rows(int(index[0]), int(index[-1]) + 1, len(x))
        part, warp_of_all = policy.draw(x[rows.own], generator.manual_seed(1), rows)
        torch.testing.assert_close(part, whole[rows.own])
        assert generator.get_state().equal(after)
        assert (warp is None) == (warp_of_all is None)
        assert warp is None or warp_of_all.shift.equal(warp.shift)


def test_for_masks_nothing_is_cut_out_and_dim_objects_stay_visible():
    """A dim spot in a dark image differs from its ground after each change, and no corner is filled with one colour."""
    images = torch.full((64, 1, 32, 32), 0.01)
    images[:, :, 12:20, 12:20] = 0.05
    task = Segmentation(("ground", "spot"), (32, 32))
    settled = Full(rotation=0, shift=0, noise=0, clutter=0, strength=1.0).settled(task)
    changed, _ = settled.draw(images, torch.Generator().manual_seed(0))
    inside, outside = changed[:, 0, 14:18, 14:18].mean((1, 2)), changed[:, 0, :4, :4].mean((1, 2))
    assert (inside > outside + 0.01).all()
    assert settled.dense
    assert not Full().settled(Classification(("a", "b"))).dense


def test_rectangles_of_labelled_images_with_masks_and_boxes_are_mixed():
    for task in (Segmentation(("ground", "spot"), (32, 32)), Detection(("cell",), (32, 32), 4.0)):
        assert Photometric(cutmix=1.0).settled(task).mixes == ("cutmix",)
    with pytest.raises(InputError, match="the mixed image has no label in the task detect"):
        Photometric(mixup=1.0).settled(Detection(("cell",), (32, 32), 4.0))
