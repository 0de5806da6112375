"""Closed-form refiners: exact where the mathematics is."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from synth2real.data.domains import Labelled, Unlabelled
from synth2real.errors import InputError
from synth2real.refine import Fourier, Histogram, Reinhard, Style
from synth2real.refine.base import pick
from synth2real.refine.fourier import exchange, low
from synth2real.refine.histogram import levels_at, ranks
from synth2real.settings import build
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop
from synth2real.training.mapping import Mapping

LOOP = Loop(steps=1, batch=8, seed=0, hardware=Hardware())


def noise(count: int, channels: int = 1, seed: int = 0, low: int = 0, high: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, (count, channels, 14, 11), dtype=torch.uint8, generator=generator)


def learn(method: Mapping, source: Tensor, target: Tensor) -> Mapping:
    return method.fit(Labelled(source, torch.zeros(len(source), dtype=torch.int64)), Unlabelled(target), LOOP)


# Partners


def test_partners_follow_from_the_pixels_and_are_spread_evenly() -> None:
    x = noise(4000) / 255
    partners = pick(x, 16)
    assert torch.equal(partners[7:9], pick(x[7:9], 16))
    counts = torch.bincount(partners, minlength=16)
    assert ((counts - 250).abs() < 90).all()  # six standard deviations


# Fourier


@pytest.mark.parametrize("size", [(14, 11), (13, 18), (16, 16), (9, 9)])
@pytest.mark.parametrize("width", [0, 1, 2])
def test_the_real_transform_exchanges_what_the_whole_one_does(size: tuple[int, int], width: int) -> None:
    """The reference is the paper's: shift the whole spectrum, exchange the square about its centre, shift back."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(3, 2, *size, generator=generator, dtype=torch.float64) for _ in range(2))
    ours, theirs = (torch.fft.fftshift(torch.fft.fft2(z), dim=(-2, -1)) for z in (x, y))
    amplitude, phase = ours.abs(), ours.angle()
    centre = size[0] // 2, size[1] // 2
    square = tuple(slice(c - width, c + width + 1) for c in centre)
    amplitude[:, :, square[0], square[1]] = theirs.abs()[:, :, square[0], square[1]]
    expected = torch.fft.ifft2(torch.fft.ifftshift(torch.polar(amplitude, phase), dim=(-2, -1)))
    assert expected.imag.abs().max() < 1e-12
    torch.testing.assert_close(exchange(x, low(torch.fft.rfft2(y).abs(), width), width), expected.real)


def test_the_mean_colour_is_the_targets_and_fine_detail_stays() -> None:
    x, y = noise(5, 3) / 255, noise(5, 3, seed=1) / 255
    mixed = exchange(x, low(torch.fft.rfft2(y).abs(), 1), 1)
    torch.testing.assert_close(mixed.mean((2, 3)), y.mean((2, 3)))
    before, after = (torch.fft.rfft2(z)[..., 2:-1, 2:] for z in (x, mixed))
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)


def test_an_image_that_meets_itself_is_unchanged() -> None:
    x = noise(1, 3, low=60, high=200)
    assert torch.equal(learn(Fourier(beta=0.25), x, x).transform(x), x)


def test_beta_is_bounded() -> None:
    with pytest.raises(InputError, match=r"refine\.beta of 'fourier': found 0\.5"):
        build({"fourier": Fourier}, "fourier", {"beta": 0.5}, stage="refine")


# Histogram


def test_matching_undoes_a_known_curve_of_levels() -> None:
    source = noise(30, 3)
    moved = (255 * (source / 255) ** 2).round().to(torch.uint8)
    refined = learn(Histogram(), source, moved).transform(source)
    assert (refined.int() - moved.int()).abs().max() <= 3
    assert (refined.int() - moved.int()).abs().float().mean() < 0.5
    assert torch.equal(learn(Histogram(), source, source).transform(source), source)


def test_every_image_takes_the_levels_of_one_image_of_the_target() -> None:
    source, target = noise(6, low=100, high=180), noise(1, seed=1)
    refined = learn(Histogram(match="image"), source, target).transform(source)
    for image in refined:
        gap = np.abs(np.sort(image.numpy().ravel().astype(int)) - np.sort(target.numpy().ravel().astype(int)))
        assert gap.mean() < 3  # ties of 80 levels over 154 pixels cannot all be distinguished
    order = source[0].flatten().sort().indices
    assert (refined[0].flatten()[order].int().diff() >= 0).all(), "the order of levels stays"


def test_lightness_is_matched_and_colour_kept() -> None:
    from synth2real.transforms.colour import to_lab

    source = (noise(8, 3, low=110, high=150)).float() / 255
    target = (noise(8, 3, seed=1, low=60, high=100)).float() / 255
    refined = learn(Histogram(space="lab"), source, target).transform(source)
    ours, before, theirs = (to_lab(z) for z in (refined, source, target))
    assert float((ours[:, 0].mean() - theirs[:, 0].mean()).abs()) < 0.5
    assert float((ours[:, 1:] - before[:, 1:]).abs().mean()) < 0.5


def test_ranks_count_half_of_the_pixels_at_a_level() -> None:
    x = torch.tensor([0, 0, 128, 255]).view(1, 1, 2, 2) / 255
    at = ranks(x)[0, 0]
    assert at[[0, 1, 128, 200, 255]].tolist() == pytest.approx([0.25, 0.5, 0.625, 0.75, 0.875])
    assert levels_at(at[None, None, :], at[None, None, :])[0, 0, [0, 128, 255]].tolist() == pytest.approx(
        [0, 128 / 255, 1]
    )


# Reinhard


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("match", ["domain", "image"])
def test_both_moments_become_the_targets(channels: int, match: str) -> None:
    from synth2real.refine.reinhard import moments, opponent, pooled

    source = noise(12, channels, low=100, high=140) / 255
    target = noise(1 if match == "image" else 12, channels, seed=1, low=90, high=180) / 255
    refined = learn(Reinhard(match=match), source, target).transform(source)
    ours, theirs = (moments(opponent(z)) for z in (refined, target))
    if match == "domain":
        ours, theirs = pooled(ours), pooled(theirs)
    torch.testing.assert_close(ours, theirs.expand_as(ours), atol=1.0 if channels == 3 else 2e-3, rtol=0.05)


def test_pooled_moments_are_those_of_all_pixels() -> None:
    from synth2real.refine.reinhard import moments, pooled

    x = noise(9, 3) / 255
    std, mean = torch.std_mean(x, (0, 2, 3), correction=0)
    torch.testing.assert_close(pooled(moments(x))[0], torch.stack([mean, std]))


# Style


def test_no_strength_is_no_change_and_more_changes_more() -> None:
    image = np.asarray(Image.radial_gradient("L").resize((11, 14)))
    x = torch.from_numpy(image.copy()).expand(40, 1, 14, 11).contiguous()
    x = (x.int() + torch.arange(40).view(-1, 1, 1, 1)).clamp(0, 255).to(torch.uint8)  # no two alike
    changes = [
        float((learn(Style(strength=s), x, x).transform(x).int() - x.int()).abs().float().mean()) for s in (0, 0.3, 0.9)
    ]
    assert changes[0] < 1
    assert changes[0] < changes[1] < changes[2]
    assert len({bytes(z.numpy()) for z in learn(Style(), x, x).transform(x)}) > 30


def test_filters_have_sides_one_to_seven() -> None:
    from synth2real.transforms.texture import filters

    bank = filters(4, 3, torch.Generator().manual_seed(0))
    assert [int((f != 0).sum()) for f in bank] == [9 * side**2 for side in (1, 3, 5, 7)]
