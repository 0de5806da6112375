"""A scene changes the background of an object and adds occluders in front of it."""

import pytest
import torch
from torch import Tensor

from synth2real.errors import InputError
from synth2real.transforms.scene import Scene, matte
from synth2real.transforms.warp import layout


def objects(n: int = 16, channels: int = 3) -> Tensor:
    """Bright squares of 10 pixels in the centre of a dark background."""
    x = torch.full((n, channels, 24, 24), 0.1)
    x[:, :, 7:17, 7:17] = 0.9
    return x.contiguous(memory_format=torch.channels_last)


def drawn(x: Tensor, seed: int = 0, **settings: object) -> Scene:
    size = (x.shape[2], x.shape[3])
    return Scene.sample(len(x), x.shape[1], size, generator=torch.Generator().manual_seed(seed), **settings)  # type: ignore[arg-type]


def test_the_matte_is_the_object() -> None:
    whole = matte(objects())
    assert whole[:, :, 7:17, 7:17].eq(1).all()
    assert whole.sum() == 16 * 100
    assert matte(torch.full((1, 1, 8, 8), 0.5)).eq(0).all()  # a uniform image is all background


@pytest.mark.parametrize("channels", [1, 3])
def test_a_background_leaves_the_object_alone(channels: int) -> None:
    x = objects(channels=channels)
    y = drawn(x, background=1.0).image(x)
    assert torch.equal(y[:, :, 7:17, 7:17], x[:, :, 7:17, 7:17])
    assert (y != x)[:, :, :5].flatten(1).any(1).all()
    assert layout(y) == layout(x)
    assert y.min() >= 0
    assert y.max() <= 1


def test_the_background_shows_the_pictures() -> None:
    x = objects()
    pictures = torch.full((2, 3, 24, 24), 0.5)
    pictures[1] = 1.0
    scene = drawn(x, background=1.0, pictures=pictures)
    corner, weight = scene.image(x)[:, 0, 0, 0], scene.background.flatten()
    torch.testing.assert_close(corner, 0.1 + weight * (pictures[scene.taken[0], 0, 0, 0] - 0.1))


def test_occluders_are_no_larger_than_asked_and_hide_what_is_behind() -> None:
    x = objects(200)
    scene = drawn(x, occluder=0.5)
    changed = (scene.image(x) != x).any(1).flatten(1).sum(1)
    assert changed.max() <= (0.5 * 24 + 2) ** 2
    assert changed.float().mean() > 5
    assert scene.size.max() <= 0.5


def test_only_the_chosen_change() -> None:
    x = objects()
    for name in ("background", "occluder"):
        chosen = {name: torch.arange(16) % 2 == 0}
        y = drawn(x, chosen=chosen, **{name: 1.0}).image(x)
        changed = (y != x).flatten(1).any(1)
        assert not changed[1::2].any()
        assert changed[::2].float().mean() > 0.5  # an occluder may be smaller than a pixel, or outside


def test_one_seed_gives_the_same_bits() -> None:
    x = objects()
    first, again, other = (drawn(x, seed, background=1.0, occluder=0.5).image(x) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_invalid_arguments_are_refused() -> None:
    x = objects()
    with pytest.raises(InputError, match=r"background=2: expected 0 to 1"):
        drawn(x, background=2)
    with pytest.raises(InputError, match=r"pictures of shape \(3, 1, 8, 8\): expected \(P, 3, 24, 24\)"):
        drawn(x, background=1.0, pictures=torch.rand(3, 1, 8, 8))
