"""Masks in arrays, as `Labelled.of` takes them."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import picture
from synth2real import Labelled
from synth2real.errors import InputError

IMAGES = np.stack([picture(i, (8, 10)) for i in range(4)])
MASKS = np.random.default_rng(0).integers(0, 3, (4, 8, 10)).astype(np.int64)


def test_whole_numbers_of_three_axes_are_masks():
    data = Labelled.of(IMAGES, MASKS, classes=["background", "a", "b"])
    assert data.classes == ("background", "a", "b")
    assert torch.equal(data.labels.tensor, torch.from_numpy(MASKS).byte())


def test_truth_values_are_background_and_foreground():
    data = Labelled.of(IMAGES, torch.from_numpy(MASKS == 2))
    assert data.classes == ("background", "mask")
    assert torch.equal(data.labels.tensor, torch.from_numpy(MASKS == 2).byte())


def test_masks_are_resized_with_their_images_also_of_different_sizes():
    images = [Image.fromarray(picture(i, (8, 10 + i))) for i in range(3)]
    masks = [np.full((8, 10 + i), i, np.uint8) for i in range(3)]
    data = Labelled.of(images, masks, size=(4, 4), classes=["a", "b", "c"])
    assert data.labels.tensor.flatten(1).float().mean(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (MASKS[:2], "4 images but 2 masks"),
        (MASKS.astype(float), r"float64 .*expected ids of classes \(N, H, W\) of whole numbers"),
        (MASKS[:, :4], "mask 0 is 4x10 for an image of 8x10"),
        (MASKS * 500, "with ids up to 1000, which are probably of instances"),
        (-MASKS, "hold the id -2, expected ids of 0 or more"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, message):
    with pytest.raises(InputError, match=message):
        Labelled.of(IMAGES, masks)


def test_numbers_beyond_the_classes_are_refused():
    with pytest.raises(InputError, match="holds the id 2, which is not in classes=, expected 0, 1"):
        Labelled.of(IMAGES, MASKS, classes=["a", "b"])
