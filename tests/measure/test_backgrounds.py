"""Uniform backgrounds are told from objects that touch the border, and from photographs."""

import pytest
import torch
from torch import Tensor

from synth2real.data.domains import Labelled, Unlabelled
from synth2real.measure.backgrounds import lacks_backgrounds, uniformity


def photographs(size: tuple[int, int] = (20, 24)) -> Tensor:
    """Random images (50, 3, H, W) uint8."""
    return torch.randint(0, 256, (50, 3, *size), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def renders() -> Tensor:
    """Random rectangles on a ground whose colour differs from image to image, with noise of two levels."""
    images = photographs()
    ground = torch.randint(10, 240, (50, 3, 1, 1), generator=torch.Generator().manual_seed(1))
    plain = (ground + images.long() % 3).to(torch.uint8)
    plain[:, :, 5:15, 6:18] = images[:, :, 5:15, 6:18]
    return plain


def test_uniformity_is_the_share_of_the_border_with_one_colour() -> None:
    half = torch.zeros(3, 1, 10, 10)
    half[:, :, :, 7:] = 1.0
    assert uniformity(half) == pytest.approx(24 / 40)  # corners count twice
    assert uniformity(renders()) == 1.0
    assert uniformity(renders().float() / 255) == 1.0
    assert uniformity(photographs()) < 0.05


@pytest.mark.parametrize("size", [(1, 1), (1, 9)])
def test_images_of_one_pixel_have_a_border(size: tuple[int, int]) -> None:
    assert 0 <= uniformity(photographs(size)) <= 1


def test_backgrounds_are_lacking_only_in_a_plain_source_of_a_cluttered_target() -> None:
    pairs = {(ours, theirs) for ours in (0, 1) for theirs in (0, 1)}
    images = (renders(), photographs())
    found = {
        pair: lacks_backgrounds(Labelled(images[pair[0]], torch.zeros(50).long(), ("a",)), Unlabelled(images[pair[1]]))
        for pair in pairs
    }
    assert found == {(0, 1): True, (0, 0): False, (1, 0): False, (1, 1): False}


def test_digits_that_touch_the_border_are_not_photographs() -> None:
    strokes = torch.zeros(50, 1, 16, 16)
    strokes[:, :, :, 6:11] = 1.0
    strokes[:, :, 5:9] = 1.0
    plain = Labelled(torch.zeros(50, 1, 16, 16), torch.zeros(50).long(), ("a",))
    assert not lacks_backgrounds(plain, Unlabelled(strokes))
