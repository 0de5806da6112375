"""Decoding of images: one depth for all images of a folder, the background of transparent ones, and tiny images."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import picture, save
from synth2real import load_unlabelled
from synth2real.data.reading import images as pictures
from synth2real.data.reading.pixels import Conversion
from synth2real.errors import InputError


def deep(folder, *levels, side=8):
    """A folder with an image of 16 bits for each of these highest levels; all other pixels are 0."""
    folder.mkdir(exist_ok=True)
    for i, level in enumerate(levels):
        pixels = np.zeros((side, side), dtype=np.uint16)
        pixels[0, 0] = level
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.mark.parametrize(
    ("highest", "depth"),
    [(255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16383, 14), (16384, 16), (65535, 16)],
)
def test_the_depth_of_a_folder_is_the_least_that_holds_its_highest_pixel(tmp_path, highest, depth):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = load_unlabelled(deep(tmp_path / "a", highest, highest // 2))
    assert read.depth == depth
    white = 2**depth - 1
    assert read.inputs[:, 0, 0, 0].tolist() == [round(255 * highest / white), round(255 * (highest // 2) / white)]


def test_a_guessed_depth_is_said(tmp_path):
    with pytest.warns(
        UserWarning, match=r"a: the images of more than 8 bits are read as 12 bits, because .* is 4000\."
    ):
        load_unlabelled(deep(tmp_path / "a", 4000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_unlabelled(tmp_path / "a", depth=14).inputs.max() == round(255 * 4000 / 16383)
        assert load_unlabelled(deep(tmp_path / "b", 40000)).depth == 16
        save(tmp_path / "c" / "0.png", picture(0))
        assert load_unlabelled(tmp_path / "c", depth=12).depth is None


def test_12_bits_keep_their_grey_levels_when_they_are_resized(tmp_path):
    ramp = np.arange(64, dtype=np.uint16).reshape(8, 8) * 65
    Image.fromarray(ramp).save(tmp_path / "a.png")
    read = load_unlabelled(tmp_path, size=(4, 4), channels=3, depth=12).inputs
    expected = ramp.reshape(4, 2, 4, 2).mean((1, 3)) * 255 / 4095
    assert tuple(read.shape) == (1, 3, 4, 4)
    assert np.abs(read[0, 1].numpy() - expected).max() <= 0.51


def test_a_level_above_the_depth_is_refused_with_its_file(tmp_path):
    folder = deep(tmp_path / "a", 100, 5000)
    with pytest.raises(
        InputError, match=r"1\.png: unreadable image \(found the level 5000, expected at most 4095 for a"
    ):
        load_unlabelled(folder, depth=12)
    with pytest.warns(UserWarning, match=r"skipped 1 unreadable images: .*1\.png"):
        assert load_unlabelled(folder, depth=12, skip_bad=True).names == ("0.png",)


def test_images_that_stay_on_disk_have_the_same_depth(tmp_path, monkeypatch):
    folder = deep(tmp_path / "a", 1000, 3000, 4000)
    whole = load_unlabelled(folder, depth=12).inputs
    monkeypatch.setattr(pictures, "limit", lambda: 100)
    with pytest.warns(UserWarning, match="read as 12 bits"):
        kept = load_unlabelled(folder)
    assert kept.depth == 12
    for i in range(3):
        assert np.array_equal(kept.inputs[np.array([i])], whole[i : i + 1])


def test_floats_of_a_known_depth_are_levels(tmp_path):
    Image.fromarray(np.full((4, 4), 1023.0, dtype=np.float32)).save(tmp_path / "a.tif")
    assert load_unlabelled(tmp_path, depth=10).inputs.min() == 255
    with pytest.raises(
        InputError, match=r"found floats from 1023 to 1023, expected 0 to 1; say their range with --depth"
    ):
        load_unlabelled(tmp_path)


def test_colour_of_16_bits_that_does_not_fill_them_is_refused(tmp_path):
    """Pillow reads the upper 8 bits of each channel, so 12 bits in 16 would be black."""
    dark = colour_of_16_bits(tmp_path / "dark.png", 4095)
    with pytest.raises(
        InputError, match=r"dark\.png: has 16 bits per channel, of which only the upper 8 are read, and"
    ):
        load_unlabelled(dark)
    assert load_unlabelled(colour_of_16_bits(tmp_path / "full.png", 65535)).inputs.max() == 255


def colour_of_16_bits(path, level):
    """A PNG of 16 bits per channel, which Pillow does not write."""
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + struct.pack(">H", level) * 3 * 8 for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize(("background", "seen"), [("white", 255), ("black", 0), ("#808080", 128)])
def test_transparent_images_are_laid_on_the_background(tmp_path, background, seen):
    Image.fromarray(np.zeros((4, 4, 4), dtype=np.uint8)).save(tmp_path / "a.png")
    assert load_unlabelled(tmp_path, background=background).inputs.unique().tolist() == [seen]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depth": 7}, "depth 7: expected 8 to 16 bits per pixel, such as 12"),
        ({"background": "whyte"}, "background 'whyte': is no colour, expected a name or a code, such as white or"),
    ],
)
def test_a_conversion_that_does_not_exist_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Conversion(**wrong)


def test_images_of_a_few_pixels_are_refused_or_said(tmp_path):
    save(tmp_path / "a.png", np.zeros((1, 2), dtype=np.uint8))
    with pytest.raises(InputError, match=r"a\.png: has 1x2 pixels, expected at least 4x4\. Remove it, or enlarge"):
        load_unlabelled(tmp_path)
    save(tmp_path / "b.png", picture(0))
    with pytest.warns(UserWarning, match=r"1 images have fewer than 4 pixels on a side, for example .*a\.png \(1x2\)"):
        assert len(load_unlabelled(tmp_path, size=(8, 8))) == 2


def scenery(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 that resembles a photograph: smooth at all scales, with edges and some noise."""
    generator = np.random.default_rng(0)
    layers = [generator.random((2**k, 2**k, 3)) * 200 for k in range(1, 7)]
    wide = [np.asarray(Image.fromarray(one.astype(np.uint8)).resize((width, height)), float) for one in layers]
    whole = sum(one / 1.7**k for k, one in enumerate(wide)) / 2 + generator.normal(0, 3, (height, width, 3))
    for _ in range(12):
        y, x = int(generator.integers(height)), int(generator.integers(width))
        whole[y : y + 40, x : x + 60] = generator.integers(0, 255, 3)
    return whole.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
def test_a_jpeg_is_decoded_at_reduced_size_with_little_difference(tmp_path, resize, turn, monkeypatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(scenery(361, 643)).save(tmp_path / "a.jpg", quality=90, exif=exif)
    how = {"size": (112, 96), "resize": resize}
    fast = load_unlabelled(tmp_path, **how)
    monkeypatch.setattr("synth2real.data.reading.pixels._reduced", lambda opened, how: (None, 1))
    slow = load_unlabelled(tmp_path, **how)
    assert not torch.equal(fast.inputs, slow.inputs)
    assert float((fast.inputs.float() - slow.inputs.float()).abs().mean()) < 2
    assert fast.sizes.tolist() == slow.sizes.tolist() == [[643, 361] if turn > 4 else [361, 643]]


def test_a_jpeg_that_is_hardly_shrunk_or_keeps_its_size_is_decoded_whole(tmp_path) -> None:
    pixels = scenery(60, 60)
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    whole = Image.open(tmp_path / "a.jpg")
    assert np.array_equal(load_unlabelled(tmp_path).inputs[0].permute(1, 2, 0).numpy(), np.asarray(whole))
    box = np.asarray(whole.resize((31, 31), Image.Resampling.BOX))
    assert np.array_equal(load_unlabelled(tmp_path, size=(31, 31)).inputs[0].permute(1, 2, 0).numpy(), box)


def test_the_way_to_resize_is_kept_and_former_runs_stretch() -> None:
    for resize in ("stretch", "crop", "letterbox"):
        how = Conversion((8, 9), 3, resize=resize)
        assert Conversion.of(how.plain()) == how
    assert Conversion.of({"size": [8, 9], "channels": 3}).resize == "stretch"
    assert Conversion.of({"resize": [8, 9], "channels": 3}) == Conversion((8, 9), 3)
    with pytest.raises(InputError, match="resize is 'pad', expected one of: stretch, crop, letterbox"):
        Conversion((8, 9), resize="pad")


def test_an_image_that_has_vanished_from_disk_is_named(tmp_path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", picture(i))
    disk = load_unlabelled(tmp_path, memory=0).inputs
    (tmp_path / "1.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"1\.png: cannot be read any more .*expected the image as it was"):
        disk[torch.tensor([0, 1, 2])]
