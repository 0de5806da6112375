"""Resizing by matrix products: the bits of the reader of images."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import RESIZED, picture, save
from synth2real.data.reading.pixels import Conversion, read_image
from synth2real.deploy.resampling import Side, grey, resampled, weights

SIZES = [(48, 64), (61, 35), (16, 16), (5, 9), (33, 500), (16, 40), (100, 13)]


@pytest.mark.parametrize("given", SIZES, ids=str)
@pytest.mark.parametrize("size", [(16, 16), (21, 19), (64, 40)], ids=str)
@pytest.mark.parametrize("resize", RESIZED)
def test_an_image_of_any_size_is_resized_to_the_bits_of_the_reader(tmp_path, given, size, resize):
    pixels = picture(0, given, 3)
    file = save(tmp_path / "a.png", pixels)
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].double()
    for channels, found in ((3, images), (1, grey(images))):
        expected = read_image(file, Conversion(size, channels, resize=resize)).pixels
        np.testing.assert_array_equal(resampled(found, size, resize)[0].numpy(), expected)


def test_grey_is_that_of_pillow_for_every_level():
    levels = torch.randint(0, 256, (1, 3, 100, 100), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    levels[:, :, 0] = torch.arange(100, dtype=torch.uint8)  # a grey image as RGB stays as it is
    expected = Image.fromarray(levels[0].permute(1, 2, 0).contiguous().numpy()).convert("L")
    found = grey(levels.double())[0, 0]
    np.testing.assert_array_equal(found.numpy(), np.asarray(expected))
    assert found[0].tolist() == list(range(100))


@pytest.mark.parametrize("box", [True, False])
@pytest.mark.parametrize(("given", "size"), [(5, 16), (16, 16), (61, 16), (400, 16)])
def test_the_weights_of_a_pixel_sum_to_one(given, size, box):
    side = Side(given, size, torch.tensor(float(size)), torch.tensor(0.0))
    shares = weights(side, torch.tensor(box)) / 2**22
    torch.testing.assert_close(shares.sum(1), torch.ones(size, dtype=torch.float64), atol=1e-4, rtol=0)
