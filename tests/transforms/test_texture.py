"""A texture changes statistics and fine structure by the requested amount, and only for the chosen images."""

import pytest
import torch

from synth2real.errors import InputError
from synth2real.transforms.texture import Texture, filtered, filters, restyled
from synth2real.transforms.warp import layout


def drawn(n: int, texture: float, seed: int = 0, chosen: dict[str, torch.Tensor] | None = None) -> Texture:
    return Texture.sample(n, 3, texture=texture, generator=torch.Generator().manual_seed(seed), chosen=chosen)


def test_more_is_further_away_and_none_is_the_identity() -> None:
    x = torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn(64, 0.0).image(x), x)
    apart = [float((drawn(64, amount).image(x) - x).abs().mean()) for amount in (0.1, 0.5, 1.0)]
    assert apart[0] < apart[1] < apart[2]


def test_the_batch_takes_the_same_filters_as_one_image_alone() -> None:
    x = torch.rand(11, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    texture = drawn(11, 1.0)
    y = texture.image(x)
    for i in range(11):
        weights = texture.weights[i % 8][None]
        alone = restyled(
            x[i : i + 1],
            lambda z, weights=weights: filtered(z, weights),
            *(part[i : i + 1] for part in (texture.amount, texture.mean, texture.std, texture.amount)),
        )
        torch.testing.assert_close(y[i], alone[0].clamp(0, 1), atol=1e-4, rtol=1e-4)


def test_only_the_chosen_change() -> None:
    x = torch.rand(12, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    chosen = torch.arange(12) % 3 == 0
    y = drawn(12, 1.0, chosen={"texture": chosen}).image(x)
    assert torch.equal((y != x).flatten(1).any(1), chosen)
    assert layout(y) == layout(x)


def test_filters_are_of_four_sides() -> None:
    sides = [int((w[0, 0, 3] != 0).sum()) for w in filters(8, 3, torch.Generator().manual_seed(0))]
    assert sides == [1, 3, 5, 7, 1, 3, 5, 7]


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=r"texture=1.5: expected 0 to 1"):
        drawn(2, 1.5)
