"""A photometric transform stays within range, and each of its operations has the documented effect."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from synth2real.errors import InputError
from synth2real.transforms.photometric import PhotometricTransform
from synth2real.transforms.warp import layout

SIZES = [(28, 28), (36, 60), (64, 64)]


def images(n: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    return torch.rand(n, 3, *size, generator=torch.Generator().manual_seed(seed))


def drawn(n: int, size: tuple[int, int], seed: int = 0, **amplitudes: Any) -> PhotometricTransform:
    return PhotometricTransform.sample(n, 3, size, **amplitudes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", SIZES)
@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    contrast=st.floats(0, 2),
    noise=st.floats(0, 1),
    blur=st.floats(0, 3),
    cutout=st.floats(0, 1),
)
def test_colours_stay_within_range(
    size: tuple[int, int], seed: int, contrast: float, noise: float, blur: float, cutout: float
) -> None:
    amplitudes = {"contrast": contrast, "noise": noise, "blur": blur, "cutout": cutout}
    y = drawn(4, size, seed, brightness=1.0, inversion=0.5, **amplitudes).image(images(4, size, seed))
    assert y.shape == (4, 3, *size)
    assert y.isfinite().all()
    assert y.min() >= 0
    assert y.max() <= 1


def test_no_amplitude_is_the_identity() -> None:
    x = images(8, (28, 28))
    assert torch.equal(drawn(8, (28, 28)).image(x), x)


def test_inversion_inverts_about_as_often_as_asked() -> None:
    x = images(400, (4, 4))
    torch.testing.assert_close(drawn(400, (4, 4), inversion=1.0).image(x), 1 - x)
    share = (drawn(400, (4, 4), inversion=0.3).scale < 0).float().mean()
    assert abs(share - 0.3) < 0.1


def test_contrast_and_brightness_are_about_mid_grey() -> None:
    transform = drawn(100, (4, 4), contrast=0.7, brightness=0.4)
    grey = transform.image(torch.full((100, 3, 4, 4), 0.5)) - 0.5
    assert grey.abs().max() <= 0.4
    assert grey.abs().max() > 0.35
    assert transform.scale.log().abs().max() <= 0.7
    assert transform.scale.min() < 0.6
    assert transform.scale.max() > 1.6


def test_the_cut_out_has_the_area_of_its_sides_and_one_colour() -> None:
    size, x = (36, 60), torch.full((50, 3, 36, 60), 2.0)
    transform = drawn(50, size, cutout=0.6)
    inside = (transform.image(x) != 1).any(1) | (transform.image(x - 2) != 0).any(1)
    rows, columns = inside.any(2).sum(1), inside.any(1).sum(1)
    assert torch.equal(inside.sum((1, 2)), rows * columns)
    hit = rows > 0  # a side below one pixel may fall between the centres of pixels
    sides = torch.stack([rows / 36, columns / 60], -1)[hit]
    assert hit.sum() > 40
    assert ((sides - transform.hole[hit, 2:]).abs() <= torch.tensor([1 / 36, 1 / 60])).all()
    coloured = torch.where(inside.unsqueeze(1), transform.fill, torch.ones(()))
    torch.testing.assert_close(transform.image(x), coloured)


@pytest.mark.parametrize("noise", [0.05, 0.15])
def test_noise_has_its_standard_deviation_in_each_image(noise: float) -> None:
    transform = drawn(20, (64, 64), noise=noise)
    residue = transform.image(torch.full((20, 3, 64, 64), 0.5)) - 0.5
    torch.testing.assert_close(residue.flatten(1).std(1), transform.noise.flatten(), atol=2e-3, rtol=0.05)
    assert residue.flatten(1).mean(1).abs().max() < 0.01


@pytest.mark.parametrize("blur", [0.5, 1.0, 2.0])
def test_blur_spreads_a_dot_by_its_variance_and_keeps_the_mean(blur: float) -> None:
    x = torch.zeros(10, 3, 33, 33)
    x[..., 16, 16] = 1
    transform = drawn(10, (33, 33), blur=blur)
    y = transform.image(x)[:, 0]
    torch.testing.assert_close(y.sum((1, 2)), torch.ones(10))
    variance = (y.sum(1) * (torch.arange(33) - 16) ** 2).sum(1)
    torch.testing.assert_close(variance, transform.blur.flatten() ** 2, atol=1e-4, rtol=1e-3)
    flat = torch.full((10, 3, 33, 33), 0.3)
    torch.testing.assert_close(transform.image(flat), flat)


def test_same_seed_same_bits_and_memory_format_is_kept() -> None:
    amplitudes = {"contrast": 0.7, "noise": 0.15, "blur": 1.0, "cutout": 0.3, "inversion": 0.5}
    x = images(8, (28, 28))
    last = x.contiguous(memory_format=torch.channels_last)
    y = drawn(8, (28, 28), 5, **amplitudes).image(x)
    assert torch.equal(drawn(8, (28, 28), 5, **amplitudes).image(last), y)
    assert layout(drawn(8, (28, 28), 5, **amplitudes).image(last)) == torch.channels_last
    assert not torch.equal(drawn(8, (28, 28), 6, **amplitudes).image(x), y)


def test_the_images_given_stay_as_they_are() -> None:
    x = images(4, (28, 28))
    before = x.clone()
    drawn(4, (28, 28), contrast=1.0, noise=0.2, blur=1.0, cutout=0.5).image(x)
    assert torch.equal(x, before)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="cutout"):
        drawn(1, (28, 28), cutout=1.5)
    with pytest.raises(InputError, match="images of shape"):
        drawn(2, (28, 28), noise=0.1).image(images(2, (28, 30)))
