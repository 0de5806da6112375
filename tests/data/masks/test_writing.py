"""Masks as PNG with a palette."""

import numpy as np
import pytest
from PIL import Image

from synth2real.data.masks.pixels import MaskFile
from synth2real.data.masks.writing import colour_of, mask_names, write_mask
from synth2real.errors import InputError


def test_what_is_written_is_read_again_and_has_colours(tmp_path):
    index = np.array([[0, 1], [2, 255]], np.uint8)
    write_mask(tmp_path / "a.png", index)
    assert (MaskFile(tmp_path / "a.png").read() == index).all()
    shown = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert shown[1, 0].tolist() == list(colour_of(2)) == [0, 128, 0]


def test_all_classes_have_different_colours():
    assert len({colour_of(i) for i in range(256)}) == 256


def test_names_are_those_of_the_images():
    assert mask_names(["a/b.jpg", "c.v2.png", "7"]) == ["a/b.png", "c.v2.png", "7.png"]
    with pytest.raises(InputError, match=r"the masks of a.jpg and a.tif would both be a.png"):
        mask_names(["a.jpg", "a.tif"])
