"""One mask as class indices."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import save
from synth2real.data.masks.legend import Legend
from synth2real.data.masks.pixels import MaskFile, fitted_index
from synth2real.errors import InputError

IDS = np.array([[0, 1], [2, 1]], np.uint8)
COLOURS = Legend(("background", "cell"), colours={(0, 0, 0): 0, (255, 0, 0): 1})
INSTANCES = Legend(("background", "nucleus"), {0: 0, 1: 1}, instances=True)


def test_a_palette_is_not_applied(tmp_path):
    picture = Image.fromarray(IDS)
    picture.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    picture.save(tmp_path / "a.png")
    assert (MaskFile(tmp_path / "a.png").read() == IDS).all()


def test_colours_are_looked_up_also_those_of_a_palette(tmp_path):
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0, 1] = 255, 0, 0
    wanted = [[0, 1], [0, 0]]
    assert MaskFile(save(tmp_path / "a.png", colours), COLOURS).read().tolist() == wanted
    Image.fromarray(colours).convert("P").save(tmp_path / "b.png")
    assert MaskFile(tmp_path / "b.png", COLOURS).read().tolist() == wanted


def test_unknown_colours_are_refused_with_the_file(tmp_path):
    colours = np.full((2, 2, 3), (1, 2, 3), np.uint8)
    with pytest.raises(InputError, match=r"a.png: holds the colour #010203, which is not in .*, expected #000000, #ff"):
        MaskFile(save(tmp_path / "a.png", colours), COLOURS).read()


def test_a_colour_coded_mask_without_colours_is_refused_and_a_grey_one_is_not(tmp_path):
    colours = np.full((2, 2, 3), (1, 2, 3), np.uint8)
    with pytest.raises(InputError, match=r"colour-coded mask, but there is no colour of a class. Write them into"):
        MaskFile(save(tmp_path / "a.png", colours)).read()
    assert (MaskFile(save(tmp_path / "b.png", np.stack([IDS] * 3, -1))).read() == IDS).all()


def test_ids_of_16_bits_are_refused_unless_the_legend_explains_them(tmp_path):
    deep = MaskFile(save(tmp_path / "a.png", np.array([[0, 300], [7, 0]], np.uint16)))
    with pytest.raises(InputError, match=r"mask of 16 bits with ids up to 300, .*of instances.*instances: foreground"):
        deep.read()
    assert MaskFile(deep.file, INSTANCES).read().tolist() == [[0, 1], [1, 0]]
    assert MaskFile(deep.file, Legend(("a", "b"), {0: 0, 7: 1, 300: 255})).read().tolist() == [[0, 255], [1, 0]]


def test_a_mask_in_jpeg_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a mask in JPEG, which changes the ids at edges"):
        MaskFile(save(tmp_path / "a.jpg", IDS)).read()


@pytest.mark.parametrize("content", [b"", b"nothing"])
def test_an_unreadable_mask_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a.png: unreadable mask"):
        MaskFile(tmp_path / "a.png").read()


def test_floats_are_refused(tmp_path):
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="a mask of the mode F, expected ids in one channel"):
        MaskFile(tmp_path / "a.tif").read()


@pytest.mark.parametrize("size", [(5, 7), (31, 8), (64, 64)])
@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
def test_a_fitted_mask_has_the_size_and_no_other_classes(size, resize):
    index = np.random.default_rng(0).integers(0, 5, (16, 24)).astype(np.uint8)
    found = fitted_index(index, size, resize)
    assert found.shape == size
    assert set(np.unique(found)) <= {*range(5), 255}
    assert (255 in found) == (resize == "letterbox" and size != (5, 7))  # (5, 7) has nearly the ratio of the image


def test_a_mask_of_twice_the_size_repeats_its_pixels():
    assert fitted_index(IDS, (4, 4), "stretch").tolist() == IDS.repeat(2, 0).repeat(2, 1).tolist()


def test_a_pixel_of_a_smaller_mask_has_the_class_that_covers_most_of_it():
    index = np.array([[0, 0, 1, 1], [0, 1, 1, 2], [0, 1, 2, 2], [1, 0, 2, 255]], np.uint8)
    assert fitted_index(index, (2, 2), "stretch").tolist() == [[0, 1], [1, 2]]  # of 0 and 1 alike, 1 is later


@pytest.mark.parametrize("side", [16, 21, 32])
def test_the_outline_of_a_smaller_mask_is_that_of_the_smaller_image(side):
    """A disc keeps its area and its centre to a tenth of a pixel of its radius, whatever the ratio of the sizes."""
    y, x = np.mgrid[:64, :64]
    disc = ((x - 30.0) ** 2 + (y - 35.0) ** 2 <= 20**2).astype(np.uint8)
    found, scale = fitted_index(disc, (side, side), "stretch"), side / 64
    rows, columns = found.nonzero()
    assert abs((found.sum() / np.pi) ** 0.5 - 20 * scale) < 0.2
    assert abs(columns.mean() - (30.5 * scale - 0.5)) < 0.1
    assert abs(rows.mean() - (35.5 * scale - 0.5)) < 0.1
