"""A warp applies the same map to pixels, masks, points and directions."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from synth2real.errors import InputError
from synth2real.transforms.warp import CELLS, Warp, layout

SIZES = [(28, 28), (36, 60), (64, 64)]
STRONGEST = {
    "rotation": 30.0,
    "scale": 0.3,
    "aspect": 0.3,
    "shear": 0.4,
    "shift": 0.2,
    "elastic": 0.08,
    "mirror": 0.5,
}
COUNT = 32


def drawn(size: tuple[int, int], seed: int, strength: float = 1.0, names: tuple[str, ...] = tuple(STRONGEST)) -> Warp:
    amplitudes: dict[str, Any] = {name: STRONGEST[name] * (1 if name == "mirror" else strength) for name in names}
    return Warp.sample(COUNT, size, **amplitudes, generator=torch.Generator().manual_seed(seed))


def pixels(size: tuple[int, int]) -> Tensor:
    """(1, H * W, 2) float32, the coordinates of all pixels."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    return torch.stack([x, y], -1).float().reshape(1, -1, 2)


def dots(xy: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, 1, H, W) images, each with a Gaussian dot of 1.5 pixels at xy (N, 1, 2)."""
    return (-(pixels(size) - xy).square().sum(-1) / (2 * 1.5**2)).exp().view(-1, 1, *size)


def centroids(x: Tensor) -> Tensor:
    """(N, 1, 2), the centroid of each image's intensity."""
    weight = x.flatten(1).unsqueeze(-1)
    return ((weight * pixels((x.shape[2], x.shape[3]))).sum(1) / weight.sum(1)).unsqueeze(1)


def interior(size: tuple[int, int], seed: int, margin: float) -> Tensor:
    """(COUNT, 1, 2) random points, at least `margin` pixels from the border."""
    frame = torch.tensor([size[1], size[0]]).float() - 1
    return margin + torch.rand(COUNT, 1, 2, generator=torch.Generator().manual_seed(seed)) * (frame - 2 * margin)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("names", [(name,) for name in STRONGEST] + [tuple(STRONGEST)], ids="+".join)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**31), strength=st.floats(0, 1))
def test_points_land_where_the_pixels_do(
    size: tuple[int, int], names: tuple[str, ...], seed: int, strength: float
) -> None:
    warp, xy = drawn(size, seed, strength, names), interior(size, seed, margin=5)
    landed = warp.points(xy)
    frame = torch.tensor([size[1], size[0]]) - 1
    seen = ((landed >= 7) & (landed <= frame - 7)).all(-1).flatten()
    error = (centroids(warp.image(dots(xy, size))) - landed).norm(dim=-1).flatten()
    assert error[seen].le(0.5).all(), error[seen].max()


@pytest.mark.parametrize("size", SIZES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_points_and_inverse_points_undo_each_other_even_outside_the_frame(size: tuple[int, int], seed: int) -> None:
    warp, xy = drawn(size, seed), interior(size, seed, margin=-20)
    torch.testing.assert_close(warp.points(warp.inverse_points(xy)), xy, atol=0.01, rtol=0)
    torch.testing.assert_close(warp.inverse_points(warp.points(xy)), xy, atol=0.01, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_sampled_at_inverse_points(size: tuple[int, int]) -> None:
    warp = drawn(size, seed=0)
    ramps = pixels(size).view(1, *size, 2).permute(0, 3, 1, 2).expand(COUNT, -1, -1, -1)
    looked = warp.inverse_points(pixels(size).expand(COUNT, -1, -1))
    frame = torch.tensor([size[1], size[0]]).float() - 1
    expected = looked.clamp(torch.zeros(2), frame).view(COUNT, *size, 2).permute(0, 3, 1, 2)
    torch.testing.assert_close(warp.image(ramps), expected, atol=1e-3, rtol=0)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_map_never_folds(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    warp = Warp.sample(COUNT, (36, 60), elastic=0.999 * 0.25 / CELLS, generator=generator)
    moved = warp.inverse_points(pixels((36, 60)).expand(COUNT, -1, -1)).view(COUNT, 36, 60, 2)
    right, down = moved.diff(dim=2)[:, :-1], moved.diff(dim=1)[:, :, :-1]
    assert (right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]).min() > 0


@pytest.mark.parametrize("seed", range(3))
def test_directions_follow_the_points_of_a_turned_and_mirrored_frame(seed: int) -> None:
    warp = drawn((64, 64), seed, names=("rotation", "mirror"))
    v = torch.nn.functional.normalize(torch.randn(COUNT, 2, generator=torch.Generator().manual_seed(seed)), dim=-1)
    start = interior((64, 64), seed, margin=20)
    moved = (warp.points(start + v.unsqueeze(1)) - warp.points(start)).squeeze(1)
    torch.testing.assert_close(warp.directions(v), moved, atol=1e-4, rtol=0)


def test_directions_keep_length_and_depth() -> None:
    v = torch.nn.functional.normalize(torch.randn(COUNT, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    turned = drawn((28, 28), seed=0).directions(v)
    torch.testing.assert_close(turned.norm(dim=-1), torch.ones(COUNT))
    assert torch.equal(turned[:, 2], v[:, 2])


def test_mirror_flips_x() -> None:
    warp = Warp.sample(2, (4, 6), mirror=1.0, generator=torch.Generator().manual_seed(0))
    x = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(warp.image(x), x.flip(-1))
    torch.testing.assert_close(warp.points(torch.tensor([[[1.0, 2.0]]] * 2)), torch.tensor([[[4.0, 2.0]]] * 2))
    torch.testing.assert_close(warp.directions(torch.tensor([[1.0, 2.0, 3.0]] * 2)), torch.tensor([[-1.0, 2, 3]] * 2))


def test_positive_rotation_is_clockwise_as_seen() -> None:
    warps = Warp.sample(64, (9, 9), rotation=90.0, generator=torch.Generator().manual_seed(0))
    right = warps.points(torch.tensor([[[8.0, 4.0]]]).expand(64, 1, 2))[:, 0]
    clockwise = torch.atan2(warps.turn[:, 1, 0], warps.turn[:, 0, 0]) > 0
    assert torch.equal(right[:, 1] > 4, clockwise)


def test_masks_are_warped_like_images_without_new_values() -> None:
    warp = drawn((36, 60), seed=3)
    m = torch.zeros(COUNT, 1, 36, 60, dtype=torch.uint8)
    m[..., 10:26, 18:42] = 7
    moved = warp.mask(m)
    assert moved.dtype == m.dtype
    assert set(moved.flatten().tolist()) == {0, 7}
    corners = (warp.image(m.float()) > 3.5) != (moved == 7)  # the only place where bilinear and nearest may differ
    assert corners.float().mean() < 0.002


def test_identity_and_subset_and_nan() -> None:
    x = torch.rand(COUNT, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Warp.identity(COUNT, (28, 28)).image(x), x, atol=1e-5, rtol=0)
    warp, xy = drawn((28, 28), seed=0), interior((28, 28), 0, margin=5)
    index = torch.tensor([5, 2])
    torch.testing.assert_close(warp.subset(index).points(xy[index]), warp.points(xy)[index])
    xy[3, 0, 1] = float("nan")
    assert warp.points(xy).isnan().all(-1).flatten().nonzero().flatten().tolist() == [3]


def test_same_seed_same_bits_and_memory_format_is_kept() -> None:
    x = torch.rand(COUNT, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    last = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(drawn((28, 28), 4).image(x), drawn((28, 28), 4).image(x))
    assert layout(drawn((28, 28), 4).image(last)) == torch.channels_last
    assert torch.equal(drawn((28, 28), 4).image(last), drawn((28, 28), 4).image(x))


def test_one_operation_off_leaves_the_others() -> None:
    assert torch.equal(drawn((28, 28), 1).turn, drawn((28, 28), 1, names=("rotation", "mirror")).turn)


@pytest.mark.parametrize("amplitude", [{"elastic": 0.1}, {"scale": 1.0}])
def test_amplitudes_that_fold_are_refused(amplitude: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(amplitude))):
        Warp.sample(1, (28, 28), **amplitude, generator=torch.Generator())


def test_a_batch_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="28, 28"):
        Warp.identity(2, (28, 28)).image(torch.zeros(2, 1, 28, 30))
    with pytest.raises(InputError, match="2 rows"):
        Warp.identity(2, (28, 28)).points(torch.zeros(1, 4, 2))


def test_a_crop_stays_within_the_image_and_fills_the_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    size = (30, 50)
    warp = Warp.sample(400, size, crop=0.75, generator=generator)
    corners = torch.tensor([[-0.5, -0.5], [49.5, 29.5]]).expand(400, 2, 2)
    seen = warp.inverse_points(corners)
    assert (seen >= -0.5 - 1e-3).all()
    assert (seen <= torch.tensor([49.5, 29.5]) + 1e-3).all()
    height, width = (seen[:, 1, i] - seen[:, 0, i] for i in (1, 0))
    share = height * width / (30 * 50)
    assert torch.allclose(height / 30, width / 50, atol=1e-4)  # the ratio of the sides stays
    assert (float(share.min()), float(share.max())) == (pytest.approx(0.25, abs=0.02), pytest.approx(1, abs=0.02))
    assert float(share.mean()) == pytest.approx(0.625, abs=0.03)
    assert torch.allclose(warp.points(seen), corners, atol=1e-3)


def test_a_crop_is_part_of_the_one_warp_and_changes_no_direction() -> None:
    amplitudes = {"rotation": 30.0, "scale": 0.2, "shift": 0.1, "elastic": 0.05}
    with_crop, without = (
        Warp.sample(3, (20, 30), generator=torch.Generator().manual_seed(4), **amplitudes, **more)
        for more in ({"crop": 0.5}, {})
    )
    points = torch.rand(3, 5, 2) * 20
    assert torch.allclose(with_crop.inverse_points(with_crop.points(points)), points, atol=1e-3)
    v = torch.randn(3, 3)
    assert torch.equal(with_crop.directions(v), without.directions(v))
    assert torch.equal(with_crop.control, without.control)  # a crop takes its random numbers last
    with pytest.raises(InputError, match=r"crop=1: expected 0 to below 1 of the area"):
        Warp.sample(3, (20, 30), generator=torch.Generator(), crop=1)
