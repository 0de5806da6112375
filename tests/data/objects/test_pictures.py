"""Lists of images of Pillow and of paths."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import picture, save
from synth2real import InputError, Labelled, Unlabelled, load_unlabelled
from synth2real.data.reading.images import ImageFiles

PIXELS = [picture(i, (8, 10), 3) for i in range(4)]
IMAGES = [Image.fromarray(x) for x in PIXELS]
MIXED = [image.resize((9 + i, 8 + i)) for i, image in enumerate(IMAGES)]


def test_images_of_pillow_are_a_domain():
    found = Labelled.of(IMAGES, ["nut", "bolt"] * 2)
    assert torch.equal(found.inputs, torch.from_numpy(np.stack(PIXELS)).permute(0, 3, 1, 2))
    assert (found.classes, found.sizes, found.names) == (("bolt", "nut"), None, ())


def test_images_of_different_sizes_are_resized_as_files_are(tmp_path):
    with pytest.raises(InputError, match=r"image 0 is 8x9, image 1 is 9x10 .* --size 8x9 \(size= in Python\)"):
        Unlabelled.of(MIXED)
    for i, image in enumerate(MIXED):
        image.save(tmp_path / f"{i}.png")
    found, files = Unlabelled.of(MIXED, size=(6, 7), channels=1), load_unlabelled(tmp_path, size=(6, 7), channels=1)
    assert torch.equal(found.inputs, files.inputs)
    assert torch.equal(found.sizes, files.sizes)


@pytest.mark.parametrize("mode", ["CMYK", "P", "RGBA", "HSV", "YCbCr"])
def test_any_mode_is_read_as_colour(mode):
    assert Unlabelled.of([image.convert(mode) for image in IMAGES]).shape == (3, 8, 10)


def test_images_of_16_bits_have_one_depth():
    deep = [Image.fromarray(np.full((8, 8), level, np.uint16)) for level in (100, 60000)]
    assert Unlabelled.of(deep).depth == 16
    with pytest.raises(InputError, match=r"image 1: unreadable image \(found the level 60000, expected at most 4095"):
        Unlabelled.of(deep, depth=12)


def test_images_are_turned_and_not_changed():
    image = IMAGES[0].copy()
    image.getexif()[0x0112] = 6
    assert Unlabelled.of([image]).shape == (3, 10, 8)
    assert image.size == (10, 8)


def test_many_images_are_decoded_on_access_and_can_be_sent_to_a_process():
    found = Unlabelled.of(MIXED, size=(6, 7), memory=10)
    assert isinstance(found.inputs, ImageFiles)
    index = torch.tensor([2, 0])
    again = pickle.loads(pickle.dumps(found))
    assert torch.equal(again.inputs[index], Unlabelled.of(MIXED, size=(6, 7)).inputs[index])


def test_one_lazily_opened_image_may_be_in_a_list_many_times(tmp_path):
    with Image.open(save(tmp_path / "a.png", PIXELS[0])) as image:
        assert len(Unlabelled.of([image] * 50)) == 50


def test_paths_are_read_from_a_root_and_named(tmp_path):
    names = [save(tmp_path / f"{i}.png", pixels).name for i, pixels in enumerate(PIXELS)]
    found = Labelled.of(names, [0, 1, 0, 1], root=tmp_path)
    assert found.names == tuple(names)
    assert torch.equal(found.inputs, Unlabelled.of([tmp_path / name for name in names]).inputs)
    with pytest.raises(InputError, match=r"9\.png: there is no such file, .* root="):
        Unlabelled.of([*names, "9.png"], root=tmp_path)


def test_labels_of_skipped_images_are_left_out(tmp_path):
    names = [str(save(tmp_path / f"{i}.png", pixels)) for i, pixels in enumerate(PIXELS)]
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match="skipped 1 unreadable images"):
        found = Labelled.of(names, [0, 1, 2, 3], skip_bad=True, given=np.arange(4), given_columns=["heat"])
    assert (found.labels.tolist(), found.given[:, 0].tolist()) == ([0, 2, 3], [0, 2, 3])
    with pytest.warns(UserWarning, match="skipped"), pytest.raises(InputError, match="4 inputs but 3 labels"):
        Labelled.of(names, [0, 1, 2], skip_bad=True)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "X is empty"),
        ([IMAGES[0], None], r"image 1: unreadable image \(found None, expected an image or its path\)"),
        ([IMAGES[0], IMAGES[1].convert("L")], r"image 0 has 3, image 1 has 1\. .* \(channels= in Python\)"),
        (IMAGES[0], r"X is Image, expected several images. Give a list: \[image\]"),
        ([{"image": 1}], "X is a list of dict, expected images of Pillow, paths, or arrays"),
    ],
)
def test_lists_of_other_things_are_refused(images, message):
    with pytest.raises(InputError, match=message):
        Unlabelled.of(images)


@pytest.mark.parametrize("resize", ["crop", "letterbox"])
def test_images_are_cropped_and_padded_as_files_are(tmp_path, resize):
    for i, image in enumerate(MIXED):
        image.save(tmp_path / f"{i}.png")
    how = {"size": (6, 12), "resize": resize}
    found, files = Labelled.of(MIXED, [0, 1, 0, 1], **how), load_unlabelled(tmp_path, **how)
    assert torch.equal(found.inputs, files.inputs)
    assert (found.resize, found.fitting.padded) == (resize, resize == "letterbox")
    arrays = Unlabelled.of(np.stack(PIXELS), **how)
    assert torch.equal(arrays.inputs, Unlabelled.of(IMAGES, **how).inputs)
    assert (arrays.resize, arrays.sizes.tolist()) == (resize, [[8, 10]] * 4)
