"""Motion blur without displacement, shot noise, and JPEG compression as in other libraries."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from synth2real.errors import InputError
from synth2real.transforms.sensor import Sensor, jpeg, smeared
from synth2real.transforms.warp import layout


def drawn(n: int, channels: int, size: tuple[int, int], seed: int = 0, **amplitudes: float) -> Sensor:
    return Sensor.sample(n, channels, size, **amplitudes, generator=torch.Generator().manual_seed(seed))


def smooth(channels: int, size: tuple[int, int]) -> Tensor:
    """(1, C, H, W), gradients and a disc."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size[0]), torch.linspace(0, 1, size[1]), indexing="ij")
    disc = ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.08).float()
    return torch.stack([x, y, disc])[None, :channels] * 0.8 + 0.1


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [95, 50, 10])
@pytest.mark.parametrize("size", [(32, 32), (37, 61)])
def test_a_jpeg_is_that_of_libjpeg(mode: str, quality: int, size: tuple[int, int]) -> None:
    x = smooth(len(mode), size)
    pixels = (x[0].permute(1, 2, 0) * 255).round().byte().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(), mode).save(file, "JPEG", quality=quality, subsampling=2)
    theirs = torch.from_numpy(np.asarray(Image.open(file)).copy()).view(*size, -1).permute(2, 0, 1).float()
    ours = 255 * jpeg(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255, torch.tensor([float(quality)]))[0]
    lost = (theirs - 255 * x[0]).abs().mean()
    assert (ours - theirs).abs().mean() < max(1.0, 0.35 * float(lost))


def test_quality_is_each_images_own() -> None:
    x = smooth(3, (32, 32)).expand(2, -1, -1, -1)
    both = jpeg(x, torch.tensor([90.0, 5.0]))
    errors = (both - x).abs().mean((1, 2, 3))
    assert errors[0] < 0.5 * errors[1]
    torch.testing.assert_close(both[:1], jpeg(x[:1], torch.tensor([90.0])))


def test_a_jpeg_of_two_channels_is_refused() -> None:
    with pytest.raises(InputError, match=r"2 channels, expected 1 \(grey\) or 3"):
        jpeg(torch.rand(1, 2, 8, 8), torch.tensor([50.0]))


@settings(max_examples=20, deadline=None)
@given(dx=st.floats(-9, 9), dy=st.floats(-9, 9))
def test_motion_blur_does_not_move_the_centroid(dx: float, dy: float) -> None:
    x = torch.zeros(1, 1, 41, 41)
    x[..., 20, 20] = 1
    y = smeared(x, [dx, dy])[0, 0]
    at = torch.arange(41.0)
    assert abs(float((y.sum(0) * at).sum()) - 20) < 0.5
    assert abs(float((y.sum(1) * at).sum()) - 20) < 0.5
    assert float(y.sum()) == pytest.approx(1, abs=1e-5)
    length = (dx**2 + dy**2) ** 0.5
    assert int((y > 0).sum()) <= length + 2


def test_motion_blur_does_not_brighten_white() -> None:
    white = torch.ones(6, 1, 28, 28)
    for seed in range(20):
        assert drawn(6, 1, (28, 28), seed, motion=1.0).image(white).max() <= 1


def test_an_empty_path_changes_nothing() -> None:
    x = torch.rand(2, 3, 9, 9)
    torch.testing.assert_close(smeared(x, [0.0, 0.0]), x)


def test_shot_noise_grows_with_the_root_of_the_brightness() -> None:
    sensor = drawn(64, 1, (32, 32), shot=0.1)
    noise = [float((sensor.image(torch.full((64, 1, 32, 32), level)) - level).std()) for level in (0.0, 0.16, 0.64)]
    assert noise[0] == 0
    assert noise[2] / noise[1] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("name", ["motion", "shot", "jpeg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_only_the_chosen_change_and_the_rest_is_kept_to_the_bit(name: str, channels: int) -> None:
    x = torch.rand(8, channels, 20, 24).contiguous(memory_format=torch.channels_last)
    chosen = {name: torch.arange(8) % 2 == 0}
    sample = {"generator": torch.Generator().manual_seed(3), "chosen": chosen, name: 0.9}
    y = Sensor.sample(8, channels, (20, 24), **sample).image(x)  # type: ignore[arg-type]
    changed = (y != x).flatten(1).any(1)
    assert torch.equal(changed, chosen[name])
    assert layout(y) == layout(x)
    assert y.min() >= 0
    assert y.max() <= 1


def test_no_amplitude_is_the_identity_and_one_seed_gives_the_same_bits() -> None:
    x = torch.rand(4, 3, 16, 16)
    assert torch.equal(drawn(4, 3, (16, 16)).image(x), x)
    every = {"motion": 0.3, "shot": 0.1, "jpeg": 0.9}
    assert torch.equal(drawn(4, 3, (16, 16), 1, **every).image(x), drawn(4, 3, (16, 16), 1, **every).image(x))
    assert not torch.equal(drawn(4, 3, (16, 16), 1, **every).image(x), drawn(4, 3, (16, 16), 2, **every).image(x))


@pytest.mark.parametrize(("name", "found"), [("motion", 1.5), ("jpeg", -0.1)])
def test_invalid_arguments_are_refused(name: str, found: float) -> None:
    with pytest.raises(InputError, match=rf"{name}={found}: expected 0 to 1"):
        drawn(2, 1, (8, 8), **{name: found})
