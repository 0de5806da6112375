"""Reading folders, tables and arrays, and converting images on the way."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from helpers import picture, save, truncate
from synth2real import load, load_unlabelled
from synth2real.data.groups import read_groups
from synth2real.data.reading import images as pictures
from synth2real.data.reading.class_names import as_classes, natural_key
from synth2real.data.reading.images import ImageFiles, resize
from synth2real.errors import InputError
from synth2real.tasks import Regression


def table(folder, rows, name="metadata.jsonl"):
    """A folder with a small image for each row, and the table."""
    for i, row in enumerate(rows):
        save(folder / row["file_name"], np.full((4, 4), 10 * i, dtype=np.uint8))
    if name.endswith("csv"):
        lines = [",".join(rows[0]), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def test_class_subfolders_in_natural_order(tmp_path):
    for name in ("10", "2", "1"):
        for i in (1, 10, 2):
            save(tmp_path / name / f"img{i}.png", np.full((4, 4), int(name), dtype=np.uint8))
    data = load(tmp_path)
    assert data.classes == ("1", "2", "10")
    assert data.names[:4] == ("1/img1.png", "1/img2.png", "1/img10.png", "2/img1.png")
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert data.inputs[:, 0, 0, 0].tolist() == [1, 1, 1, 2, 2, 2, 10, 10, 10]
    assert (data.inputs.dtype, data.shape, data.sizes) == (torch.uint8, (1, 4, 4), None)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_tables_of_classes(tmp_path, name):
    rows = [
        {"file_name": f"{i}.png", "label": label, "kind": k}
        for i, (label, k) in enumerate(zip([10, 2, 2], "bba", strict=True))
    ]
    data = load(table(tmp_path, rows, name))
    assert data.classes == ("2", "10")
    assert data.labels.tolist() == [1, 0, 0]
    assert data.inputs[:, 0, 0, 0].tolist() == [0, 10, 20]
    assert load(tmp_path, label="kind").classes == ("a", "b")


def test_tables_in_subfolders_name_files_beside_them(tmp_path):
    table(tmp_path / "train", [{"file_name": "a.png", "label": "x"}, {"file_name": "sub/b.png", "label": "y"}])
    table(tmp_path / "valid", [{"file_name": "a.png", "label": "y"}])
    data = load(tmp_path)
    assert data.names == ("train/a.png", "train/sub/b.png", "valid/a.png")
    assert data.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_value_columns_and_unknown_values(tmp_path, name):
    rows = [{"file_name": "a.png", "y": 2.5, "x": 1}, {"file_name": "b.png", "y": None, "x": -3}]
    data = load(table(tmp_path, rows, name), label=["x", "y"])
    assert data.columns == ("x", "y")
    assert data.labels.dtype == torch.float64
    assert data.labels[0].tolist() == [1.0, 2.5]
    assert data.labels[1, 0] == -3
    assert math.isnan(data.labels[1, 1])


def test_whole_numbers_are_named_without_a_point():
    labels, names = as_classes([3.0, 3, "3.0", " 3", "10", "2", 2.5, "1e1", "cat", "03"])
    assert names == ("1e1", "2", "2.5", "03", "3", "10", "cat")
    assert names.index("3") == labels[0] == labels[1] == labels[2] == labels[3]
    assert names.index("10") == labels[4] != labels[7]
    assert as_classes(np.array([3.0, 1.0]).tolist())[1] == ("1", "3")


def test_natural_order():
    names = ["img10", "img2", "a/2", "a/10", "b", "10²", "3", "03"]
    assert sorted(names, key=natural_key) == ["03", "3", "10²", "a/2", "a/10", "b", "img2", "img10"]


def test_arrays_of_images(tmp_path):
    grey = np.stack([picture(i, (6, 5)) for i in range(4)])
    np.savez(tmp_path / "grey.npz", images=grey, labels=np.array([10.0, 2.0, 2.0, 10.0]), x=np.arange(4), y=np.ones(4))
    data = load(tmp_path / "grey.npz")
    assert np.array_equal(data.inputs[:, 0].numpy(), grey)
    assert (data.classes, data.labels.tolist()) == (("2", "10"), [1, 0, 0, 1])
    values = load(tmp_path / "grey.npz", label=["y", "x"])
    assert values.labels.tolist() == [[1, 0], [1, 1], [1, 2], [1, 3]]
    colour = np.stack([picture(i, (6, 5), 3) for i in range(4)])
    np.savez(tmp_path / "colour.npz", images=colour)
    assert np.array_equal(load_unlabelled(tmp_path / "colour.npz").inputs.permute(0, 2, 3, 1).numpy(), colour)
    (tmp_path / "colour.npz").rename(tmp_path / "COLOUR.NPZ")
    assert load_unlabelled(tmp_path / "COLOUR.NPZ").shape == (3, 6, 5)
    np.savez(tmp_path / "float.npz", images=grey.astype(np.float64) / 255)
    assert torch.allclose(load_unlabelled(tmp_path / "float.npz").inputs * 255, data.inputs.float(), atol=1e-4)


def test_arrays_of_features(tmp_path):
    features = np.random.default_rng(0).normal(size=(5, 3))
    np.savez(tmp_path / "f.npz", features=features, labels=np.array([[0.5, 1], [1, 2], [2, 3], [3, 4], [4, 5]]))
    data = load(tmp_path / "f.npz", label=["u", "v"])
    assert np.allclose(data.inputs.numpy(), features)
    assert (data.shape, data.columns, data.labels[0].tolist()) == ((3,), ("u", "v"), [0.5, 1])
    assert load_unlabelled(tmp_path / "f.npz").names == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(
    ("arrays", "label", "message"),
    [
        ({"pictures": np.zeros(3)}, None, "found the arrays 'pictures', expected 'images' or 'features'"),
        ({"images": np.zeros((3, 4, 4), np.uint8)}, None, "found the arrays 'images', expected 'labels'"),
        ({"images": np.zeros((3, 4, 4, 2), np.uint8)}, None, r"shape \(3, 4, 4, 2\), expected \(N, H, W\)"),
        ({"images": np.full((3, 4, 4), 300.0)}, None, "float64, expected uint8 in 0..255 or floats in 0..1"),
        ({"images": np.full((3, 4, 4), np.nan)}, None, "contains NaN, first in row 0"),
        ({"features": np.zeros((3, 4)), "labels": np.zeros((3, 3))}, ["x"], r"shape \(3, 3\), expected \(3, 1\)"),
        ({"features": np.zeros((3, 4)), "labels": np.eye(3)}, None, r"'labels' of shape \(3, 3\), expected \(3,\)"),
        ({"features": np.zeros((3, 4)), "labels": np.zeros(2)}, None, r"a\.npz: 3 inputs but 2 labels"),
        ({"features": np.zeros((3, 4)), "x": np.zeros(2)}, ["x"], r"a\.npz: 3 inputs but 2 values of 'x'"),
        ({"features": np.zeros((0, 4)), "labels": np.zeros(0)}, None, r"a\.npz: inputs are empty"),
        ({"features": np.zeros((3, 4)), "labels": np.zeros(3)}, "digit", "'features', 'labels', expected 'digit'"),
        ({"features": np.array([{}, {}])}, None, r"unreadable .npz \(an array of Python objects\), expected arrays"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, label, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "a.npz", label=label)


def test_damaged_arrays_are_named(tmp_path):
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    (tmp_path / "junk.npz").write_text("a,b\n1,2\n")
    for name in ("one", "junk"):
        expected = rf"{name}\.npz: is not an \.npz file, expected arrays written by numpy\.savez"
        with pytest.raises(InputError, match=expected) as caught:
            load(tmp_path / f"{name}.npz")
        assert "allow_pickle" not in str(caught.value)
    np.savez(tmp_path / "a.npz", images=picture(0, (40, 40))[None])
    truncate(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"a\.npz: unreadable \.npz"):
        load_unlabelled(tmp_path / "a.npz")


def test_unlabelled_folders_are_read_with_subfolders_and_without_labels(tmp_path):
    for name in ("img10.png", "img2.png", "deep/er/x.png", "b.jpg"):
        save(tmp_path / name, picture(0))
    (tmp_path / "metadata.jsonl").write_text("this is not JSON, and nobody looks\n")
    (tmp_path / "notes.txt").write_text("no image")
    data = load_unlabelled(tmp_path)
    assert data.names == ("b.jpg", "deep/er/x.png", "img2.png", "img10.png")
    assert not hasattr(data, "labels")
    one = load_unlabelled(tmp_path / "img2.png")
    assert one.names == ("img2.png",)
    assert torch.equal(one.inputs[0], data.inputs[2])


def test_folders_that_hold_no_labels_are_refused(tmp_path):
    save(tmp_path / "loose.png", picture(0))
    with pytest.raises(InputError, match=r"found no labels: loose\.png is not in a class subfolder"):
        load(tmp_path)
    with pytest.raises(
        InputError, match=r"the label column 'x' was requested, but found no metadata.csv or metadata.jsonl"
    ):
        load(tmp_path, label=["x"])
    with pytest.raises(InputError, match=r"found a file, expected a folder of images or an \.npz"):
        load(tmp_path / "loose.png")
    with pytest.raises(InputError, match=r"no such folder or file"):
        load(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"found a '\.txt' file, expected a folder"):
        load_unlabelled(tmp_path / "notes.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: found no image, expected files such as \.png"):
        load_unlabelled(tmp_path / "empty")


def test_every_image_mode_becomes_uint8(tmp_path):
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    save(tmp_path / "grey.png", ramp)
    Image.fromarray(ramp.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("grey.png", "deep.png"):
        assert np.array_equal(load_unlabelled(tmp_path / name).inputs[0, 0].numpy(), ramp), name
    rgb = np.stack([ramp, 255 - ramp, ramp // 2], 2)
    save(tmp_path / "rgb.png", rgb)
    Image.fromarray(np.dstack([rgb, np.full_like(ramp, 255)])).save(tmp_path / "rgba.png")
    Image.fromarray(rgb).quantize(256).save(tmp_path / "palette.png")
    for name in ("rgb.png", "rgba.png", "palette.png"):
        assert np.array_equal(load_unlabelled(tmp_path / name).inputs[0].permute(1, 2, 0).numpy(), rgb), name
    Image.fromarray(ramp > 99).save(tmp_path / "bits.png")
    assert np.array_equal(load_unlabelled(tmp_path / "bits.png").inputs[0, 0].numpy(), 255 * (ramp > 99))
    Image.fromarray(ramp).save(tmp_path / "grey.jpg", quality=95)
    Image.fromarray(rgb).save(tmp_path / "rgb.jpg", quality=95, subsampling=0)
    grey, colour = (load_unlabelled(tmp_path / name).inputs[0].float() for name in ("grey.jpg", "rgb.jpg"))
    assert (grey.shape[0], colour.shape[0]) == (1, 3)
    assert (grey[0] - torch.from_numpy(ramp)).abs().mean() < 4


def test_float_images_in_0_to_1_become_uint8(tmp_path):
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    Image.fromarray(ramp.astype(np.float32) / 255).save(tmp_path / "light.tif")
    assert np.array_equal(load_unlabelled(tmp_path / "light.tif").inputs[0, 0].numpy(), ramp)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 1.02], "found floats from 0 to 1.02, expected 0 to 1"),
        ([-0.1, 1.0], "found floats from -0.1 to 1"),
        ([0.0, 300.0], "found floats from 0 to 300"),
        ([0.5, math.nan], "found NaN or infinite pixels"),
        ([0.5, math.inf], "found NaN or infinite pixels"),
    ],
)
def test_float_images_of_another_range_are_refused(tmp_path, values, message):
    Image.fromarray(np.array([values] * 4, dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=rf"a\.tif: unreadable image \({message}"):
        load_unlabelled(tmp_path)


@pytest.mark.parametrize("hidden", [(255, 0, 0), (0, 0, 0), (0, 255, 0)])
def test_transparent_pixels_are_white_whatever_their_hidden_colour(tmp_path, hidden):
    pixels = np.zeros((4, 4, 4), dtype=np.uint8)
    pixels[..., :3] = hidden
    pixels[0, 0] = (0, 0, 0, 128)
    pixels[1, 1] = (10, 20, 30, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    read = load_unlabelled(tmp_path).inputs[0].permute(1, 2, 0)
    assert read[3, 3].tolist() == [255, 255, 255]
    assert read[1, 1].tolist() == [10, 20, 30]
    assert 126 <= int(read[0, 0, 0]) <= 128
    Image.fromarray(pixels[..., [0, 3]].copy(), "LA").save(tmp_path / "a.png")
    assert load_unlabelled(tmp_path).inputs[0, 0, 3, 3] == 255


@pytest.mark.filterwarnings("ignore:Metadata Warning")  # Pillow's own
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read_beside_tags_of_a_wrong_type(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = picture(0, (6, 9), 3)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(tmp_path / "a.png"))
    assert np.array_equal(load_unlabelled(tmp_path).inputs[0].permute(1, 2, 0).numpy(), np.asarray(expected))
    exif[0x010F] = (1, 2)  # the make, which is text
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(load_unlabelled(tmp_path).inputs[0].permute(1, 2, 0).numpy(), np.asarray(expected))


@pytest.mark.parametrize("suffix", [".tif", ".gif"])
def test_a_stack_of_frames_is_refused(tmp_path, suffix):
    frames = [Image.fromarray(picture(i, (8, 8), 1)) for i in range(3)]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"unreadable image \(found 3 frames, expected one image; save each frame"):
        load_unlabelled(tmp_path)


def test_rows_name_each_image_of_their_folder_once(tmp_path, monkeypatch):
    folder, outside = tmp_path / "in", save(tmp_path / "out.png", picture(9))
    for i in range(3):
        save(folder / f"{i}.png", picture(i))
    table(folder, [{"file_name": str(folder / f"{i}.png"), "label": "a"} for i in range(2)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"lists /.*0\.png, which is not in in, expected file_name relative"):
        load("in")
    with pytest.warns(UserWarning, match=r"1 image\(s\) have no row in its metadata tables.*for example 2\.png"):
        assert load(folder).names == ("0.png", "1.png")
    table(folder, [{"file_name": f"../{outside.name}", "label": "a"}])
    with pytest.raises(InputError, match=r"lists \.\./out\.png, which is not in"):
        load(folder)
    table(folder, [{"file_name": f"{i}.png", "label": "a"} for i in range(3)])
    (folder / "metadata.csv").write_text("file_name,label\n1.png,b\n")
    with pytest.raises(InputError, match=r"1\.png: found 2 rows in the metadata tables of .*expected one"):
        load(folder)


def test_channels_are_converted_as_pillow_does(tmp_path):
    rgb = picture(0, (6, 6), 3)
    save(tmp_path / "rgb.png", rgb)
    np.savez(tmp_path / "rgb.npz", images=rgb[None])
    expected = torch.from_numpy(np.array(Image.fromarray(rgb).convert("L"))).int()
    for name in ("rgb.png", "rgb.npz"):
        grey = load_unlabelled(tmp_path / name, channels=1).inputs
        assert grey.shape == (1, 1, 6, 6)
        assert (grey[0, 0].int() - expected).abs().max() <= 1
    save(tmp_path / "grey.png", rgb[..., 0])
    three = load_unlabelled(tmp_path / "grey.png", channels=3).inputs
    assert torch.equal(three, load_unlabelled(tmp_path / "grey.png").inputs.expand(-1, 3, -1, -1))


@pytest.mark.parametrize("step", range(8))
def test_a_thin_line_is_not_lost_when_shrunk(tmp_path, step):
    line = np.zeros((64, 64), dtype=np.uint8)
    line[:, 24 + step] = 255
    save(tmp_path / "line.png", line)
    np.savez(tmp_path / "line.npz", images=line[None])
    for name in ("line.png", "line.npz"):
        data = load_unlabelled(tmp_path / name, size=(16, 16))
        assert data.sizes.tolist() == [[64, 64]]
        assert data.inputs.shape == (1, 1, 16, 16)
        # A quarter of the line's intensity is in its column, and the other columns are 0.
        assert data.inputs[0, 0, :, (24 + step) // 4].float().mean() == pytest.approx(255 / 4, abs=1)
        assert data.inputs.float().sum() == pytest.approx(16 * 255 / 4, rel=0.02)


@pytest.mark.parametrize("size", [(8, 8), (12, 10), (40, 40), (8, 40)])
def test_folders_and_arrays_are_resized_alike(size):
    coarse = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (20, 24), mode="bicubic").mul(255)
    images = smooth.clamp(0, 255).to(torch.uint8)
    ours = resize(images, size, None).int()
    filters = Image.Resampling.BOX if size[0] <= 20 and size[1] <= 24 else Image.Resampling.BILINEAR
    for image, mine in zip(images, ours, strict=True):
        pillow = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((size[1], size[0]), filters)
        assert (torch.from_numpy(np.array(pillow)).permute(2, 0, 1).int() - mine).abs().float().mean() < 4


def test_a_small_file_of_very_many_pixels_is_refused(tmp_path):
    Image.new("P", (9000, 9000)).save(tmp_path / "bomb.png", transparency=0)
    with pytest.raises(
        InputError, match=r"bomb\.png: .*found 9000 by 9000 pixels in \d+ bytes, expected at most 100 pixels a"
    ):
        load_unlabelled(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"size": "8x8"}, {"size": (8,)}, {"size": (8, 0)}, {"size": (8, 2.5)}, {"channels": 2}]
)
def test_a_conversion_of_a_wrong_type_is_refused(classes, wrong):
    with pytest.raises(InputError, match=rf"{next(iter(wrong))} is .*, expected "):
        load_unlabelled(classes, **wrong)


def test_images_that_differ_are_refused_with_a_remedy(tmp_path):
    save(tmp_path / "a.png", picture(0, (8, 8)))
    save(tmp_path / "b.png", picture(1, (8, 9)))
    with pytest.raises(InputError, match=r"differ in size: .*a\.png is 8x8, .*b\.png is 8x9 .*--size 8x8"):
        load_unlabelled(tmp_path)
    data = load_unlabelled(tmp_path, size=(4, 6))
    assert data.shape == (1, 4, 6)
    assert data.sizes.tolist() == [[8, 8], [8, 9]]
    save(tmp_path / "b.png", picture(1, (8, 8), 3))
    with pytest.raises(
        InputError, match=r"differ in channels: .*a\.png has 1, .*b\.png has 3\. .*--channels 1 or --channels 3"
    ):
        load_unlabelled(tmp_path)
    assert load_unlabelled(tmp_path, channels=3).shape == (3, 8, 8)


def test_unreadable_images_are_named_or_skipped_and_listed(tmp_path):
    for i in range(4):
        save(tmp_path / "ab"[i % 2] / f"{i}.png", picture(i))
    truncate(tmp_path / "b" / "3.png")
    (tmp_path / "a" / "2.png").write_text("no image at all")
    with pytest.raises(InputError, match=r"a/2\.png: unreadable image .*--skip-bad"):
        load(tmp_path)
    with pytest.warns(UserWarning, match=r"skipped 2 unreadable images: .*a/2\.png, .*b/3\.png"):
        data = load(tmp_path, skip_bad=True)
    assert data.names == ("a/0.png", "b/1.png")
    assert data.labels.tolist() == [0, 1]
    alone = pytest.raises(InputError, match=r"none of 1 images can be read")
    with pytest.warns(UserWarning, match=r"skipped 1"), alone:
        load_unlabelled(tmp_path / "a" / "2.png", skip_bad=True)


def test_skipped_images_take_their_rows_along(tmp_path):
    table(tmp_path, [{"file_name": f"{i}.png", "x": i} for i in range(4)])
    truncate(tmp_path / "1.png")
    with pytest.warns(UserWarning, match=r"skipped 1 unreadable images: .*1\.png"):
        data = load(tmp_path, label=["x"], skip_bad=True)
    assert data.labels.flatten().tolist() == [0, 2, 3]
    assert data.inputs[:, 0, 0, 0].tolist() == [0, 20, 30]


@pytest.mark.filterwarnings("ignore:Truncated File Read")  # Pillow's own
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".gif"])
def test_a_truncated_file_of_any_format_is_one_clear_error(tmp_path, suffix):
    file = tmp_path / f"a{suffix}"
    Image.fromarray(picture(0, (24, 24), 1 if suffix == ".pgm" else 3)).save(file)
    assert load_unlabelled(file).shape[1:] == (24, 24)
    whole = file.read_bytes()
    refused = 0
    for length in sorted({0, 1, *range(2, len(whole) * 3 // 4, max(1, len(whole) // 25))}):
        file.write_bytes(whole[:length])
        try:
            load_unlabelled(file)
        except InputError as error:
            refused += str(error).startswith(f"{file}: unreadable image")
    assert refused >= 20


def test_images_that_stay_on_disk_give_the_same_batches(tmp_path, monkeypatch):
    for i in range(6):
        save(tmp_path / f"{i}.png", picture(i, (8, 10), 3))
    conversion = {"size": (6, 6), "channels": 1}
    memory = load_unlabelled(tmp_path, **conversion)
    monkeypatch.setattr(pictures, "limit", lambda: 100)
    monkeypatch.setattr(pictures, "SUBSET", 100)
    disk = load_unlabelled(tmp_path, **conversion)
    assert isinstance(memory.inputs, torch.Tensor)
    assert isinstance(disk.inputs, ImageFiles)
    assert disk.inputs.shape == memory.inputs.shape
    index = torch.tensor([5, 0, 3, 3])
    assert torch.equal(disk.inputs[index], memory.inputs[index])
    assert torch.equal(disk.sizes, memory.sizes)
    assert torch.equal(disk.subset(index).inputs[torch.arange(4)], memory.subset(index).inputs)
    assert disk.inputs[index[:0]].shape == (0, 1, 6, 6)
    assert isinstance(disk.subset(index).inputs, ImageFiles), "144 bytes do not fit in 100"
    assert isinstance(disk.subset(index[:2]).inputs, torch.Tensor)


def test_reading_warns_of_nothing(classes, photos):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load(classes)) == len(load_unlabelled(photos)) == 40


def test_real_sets(shared_data):
    digits = load(shared_data / "mnist.npz")
    assert (len(digits), digits.shape, digits.classes) == (8000, (1, 28, 28), tuple("0123456789"))
    assert load_unlabelled(shared_data / "mnist.npz", size=(14, 14), channels=3).shape == (3, 14, 14)


def test_masks_beside_images_belong_to_labelled_images_alone(tmp_path):
    for name in ("a.png", "a_mask.png", "no_mask.png"):
        save(tmp_path / name, np.zeros((4, 4), dtype=np.uint8))
    assert load_unlabelled(tmp_path).names == ("a.png", "a_mask.png", "no_mask.png")
    assert load_unlabelled(tmp_path, masks=False).names == ("a.png", "no_mask.png")


def test_numbers_beyond_float32_stay_as_they_are(tmp_path):
    rows = [{"file_name": f"{i}.png", "time": 1.7e9 + i} for i in range(3)]
    times = load(table(tmp_path, rows, "metadata.csv"), label=["time"]).labels[:, 0]
    assert times.tolist() == [1.7e9, 1.7e9 + 1, 1.7e9 + 2]
    assert Regression.of(load(tmp_path, label=["time"])).std[0] == pytest.approx(math.sqrt(2 / 3))


def test_a_table_names_its_images_in_another_unicode_form(tmp_path):
    save(tmp_path / "cafe\u0301.png", picture(0))
    (tmp_path / "metadata.csv").write_text("file_name,label,person\ncaf\u00e9.png,a,p\n", encoding="utf-8")
    data = load(tmp_path)
    assert data.names == ("cafe\u0301.png",)
    assert read_groups(tmp_path, "person", data).tolist() == [0]


def test_an_image_with_nan_in_an_npz_is_named_by_its_row(tmp_path):
    images = np.zeros((3, 4, 4), dtype=np.float32)
    images[2, 1, 1] = np.nan
    np.savez(tmp_path / "a.npz", images=images)
    with pytest.raises(InputError, match=r"a\.npz: 'images' contains NaN, first in row 2, expected numbers in 0\.\.1"):
        load_unlabelled(tmp_path / "a.npz")
