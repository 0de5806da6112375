"""`synth2real show`: sheets of folders and simulators, and what it says of bad input."""

import numpy as np
import pytest
from PIL import Image

from boxed import coco
from helpers import dots, refused


def test_a_folder_of_points(synth2real, tmp_path):
    folder, out = dots(tmp_path / "dots", 5), tmp_path / "sheets" / "sheet.png"
    label = ("--task", "keypoints", "--label", "x", "--label", "y")
    code, _, err = synth2real("show", folder, *label, "--n", 3, "--versions", 2, "--out", out)
    assert code == 0, err
    first = np.asarray(Image.open(out))
    assert first.shape == (18 + 3 * (144 + 6) + 6, 3 * (144 + 6) + 6, 3)
    assert "3 images in 2 versions" in err
    refused(synth2real("show", folder, *label, "--out", out), out, "--overwrite")
    synth2real("show", folder, *label, "--n", 3, "--versions", 2, "--out", out, "--overwrite")
    assert np.array_equal(np.asarray(Image.open(out)), first)


def test_a_simulator_with_settings(synth2real, tmp_path):
    params, out = tmp_path / "p.yaml", tmp_path / "sheet.png"
    params.write_text("height: 0.6\n")
    options = ("--randomize", "trivialaugment", "--params", params, "--size", "32x40", "--channels", 3, "--seed", 2)
    code, _, err = synth2real("show", "digits", *options, "--n", 2, "--versions", 1, "--strength", 0, "--out", out)
    assert code == 0, err
    pixels = np.asarray(Image.open(out))
    wide = 40 * 4 + 6
    assert np.array_equal(pixels[24:100, 6:wide], pixels[24:100, wide + 6 : 2 * wide])  # strength 0 changes nothing


def test_one_image_of_many_values(synth2real, tmp_path):
    for source, label in ((dots(tmp_path / "dots", 5), "x"), ("eyes", "pitch")):
        out = tmp_path / f"{label}.png"
        code, _, err = synth2real("show", source, "--task", "regress", "--label", label, "--n", 1, "--out", out)
        assert (code, out.is_file()) == (0, True), err


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--out", "sheet.jpg"), ("--out", "PNG")),
        (("--randomize", "wild"), ("'wild' is unknown", "trivialaugment")),
        (("--task", "paint"), ("--task 'paint'", "keypoints")),
        (("--task", "keypoints"), ("--label",)),
        (("--set", "adapt.rate=1"), ("adapt.rate", "stage randomize only")),
        (("--strength", "3"), ("randomize.strength", "3")),
        (("--strength", "1", "--set", "randomize.strength=0.5"), ("--strength and --set randomize.strength exclude",)),
        (("--task", "keypoints", "--label", "x", "--label", "y", "--set", "randomize.mixup=1"), ("mixup", "keypoints")),
        (("--params", "p.yaml"), ("--params 'p.yaml'", "simulators")),
        (("--preset", "infrared"), ("--preset",)),
    ],
)
def test_bad_input_is_one_message(synth2real, tmp_path, options, parts):
    folder = dots(tmp_path / "dots", 3)
    out = () if "--out" in options else ("--out", tmp_path / "sheet.png")
    refused(synth2real("show", folder, *options, *out), *parts)


def test_boxes_are_drawn_of_a_folder_and_of_a_simulator(synth2real, tmp_path):
    for name, source, how in (("a", coco(tmp_path / "set"), ()), ("b", "blood", ("--size", "24x32", "--label", "RBC"))):
        out = tmp_path / f"{name}.png"
        code, _, err = synth2real("show", source, "--task", "detect", *how, "--n", 2, "--versions", 1, "--out", out)
        assert code == 0, err
        assert len(np.unique(np.asarray(Image.open(out)).reshape(-1, 3), axis=0)) > 100
