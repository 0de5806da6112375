"""Large images on the command line: what `predict` and `evaluate` write for images that the model sees in tiles."""

import csv
import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tests.skips import optional

from boxed import coco
from helpers import below, picture, refused, save
from synth2real.data.reading.pixels import Conversion
from synth2real.tasks import Detection, Segmentation
from synth2real.training.model import Model

SIDE = (24, 24)


def run_of(folder, task):
    """A run folder of a model of tiles that has learnt nothing."""
    torch.manual_seed(0)
    model = Model(task, (1, *SIDE)).eval()
    model.conversion = Conversion(SIDE, 1, resize="tiles")
    model.save(folder)
    (folder / "settings.yaml").write_text(yaml.safe_dump({"label": None}))
    return folder


@pytest.fixture
def detector(tmp_path):
    return run_of(tmp_path / "run", Detection(("car", "dog"), SIDE, 4.0))


@pytest.fixture
def segmenter(tmp_path):
    return run_of(tmp_path / "run", Segmentation(("background", "dot"), SIDE))


SIZES = {"a.png": (90, 70), "sub/b.jpg": (24, 24), "sub/c d.png": (25, 24), "d.png": (9, 40)}


def mixed(folder):
    for i, (name, size) in enumerate(SIZES.items()):
        save(folder / name, picture(i, size))
    return folder


def test_boxes_have_the_names_and_pixels_of_the_images(synth2real, tmp_path, detector):
    code, out, err = synth2real("predict", detector, mixed(tmp_path / "real"), "--out", tmp_path / "out", "--json")
    assert code == 0, err
    assert json.loads(out)["count"] == 4
    with (tmp_path / "out/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file_name"] for row in rows} == set(SIZES)
    for row in rows:
        height, width = SIZES[row["file_name"]]
        assert 0 <= float(row["x0"]) < float(row["x1"]) <= width
        assert 0 <= float(row["y0"]) < float(row["y1"]) <= height
    assert any(float(row["y1"]) > 24 for row in rows)
    code, _, err = synth2real("predict", detector, tmp_path / "real", "--out", tmp_path / "dry", "--dry-run")
    assert code == 0, err
    assert "4 images of" in err


def test_boxes_are_scored_in_whole_images(synth2real, tmp_path, detector):
    optional("faster_coco_eval", "detection")
    code, out, err = synth2real("evaluate", detector, "--on", coco(tmp_path / "set"), "--json")
    assert code == 0, err
    assert json.loads(out)["count"] == 3


def test_masks_have_the_sizes_of_the_images_and_are_scored_there(synth2real, tmp_path, segmenter):
    real = mixed(tmp_path / "real")
    code, out, err = synth2real("predict", segmenter, real, "--out", tmp_path / "masks", "--json")
    assert code == 0, err
    assert json.loads(out)["count"] == 4
    written = [name for name in below(tmp_path / "masks") if name.endswith(".png")]
    assert written == ["a.png", "d.png", "sub/b.png", "sub/c d.png"]
    sizes = {name.rpartition(".")[0]: size for name, size in SIZES.items()}
    for name in written:
        assert Image.open(tmp_path / "masks" / name).size[::-1] == sizes[name.removesuffix(".png")]
    for name, size in SIZES.items():
        if name.endswith(".jpg"):
            (real / name).unlink()
        else:
            save(
                (real / name).with_name(f"{(real / name).stem}_mask.png"),
                255 * (np.indices(size)[0] % 2).astype(np.uint8),
            )
    code, out, err = synth2real("evaluate", segmenter, "--on", real, "--label", "dot", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["count"] == 3
    predicted = [np.asarray(Image.open(tmp_path / "masks" / name)) for name in ("a.png", "d.png", "sub/c d.png")]
    right = sum(int((mask == np.indices(mask.shape)[0] % 2).sum()) for mask in predicted)
    assert found["pixel_accuracy"] == pytest.approx(right / sum(mask.size for mask in predicted))


def test_training_on_tiles_of_both_and_a_report(synth2real, tmp_path):
    rendered, real = coco(tmp_path / "rendered"), mixed(tmp_path / "real")
    how = ("--task", "detect", "--resize", "tiles", "--size", 24, "--channels", 1)
    more = ("--steps", 1, "--out", tmp_path / "run")
    code, _, err = synth2real("train", rendered, "--target", real, *how, *more)
    assert code == 0, err
    settings = yaml.safe_load((tmp_path / "run/settings.yaml").read_text())
    assert (settings["resize"], settings["size"]) == ("tiles", [24, 24])
    code, _, err = synth2real("show", rendered, *how, "--out", tmp_path / "sheet.png")
    assert code == 0, err


def test_what_tiles_do_not_serve_is_refused(synth2real, tmp_path, detector):
    for name in ("x/a.png", "y/b.png"):
        save(tmp_path / "classes" / name, picture(0, (40, 40)))
    how, real = ("--resize", "tiles", "--size", 24), mixed(tmp_path / "real")
    source, out = (tmp_path / "classes", "--target", real), ("--out", tmp_path / "out")
    refused(synth2real("train", *source, *how, *out), "--task classify is of whole images, but --resize tiles")
    refused(synth2real("train", *source, "--task", "detect", "--resize", "tiles", *out), "found no --size")
    refused(synth2real("train", *source, "--task", "detect", *how[:3], 8, *out), "at least 16 pixels")
    refused(synth2real("refine", *source, "--method", "histogram", *how, *out), "keep the size of the source")
    refused(synth2real("export", detector, "--to", tmp_path / "a.pt2"), "the model cuts images into tiles")
    refused(synth2real("train", "blood", "--target", real, "--task", "detect", *how, *out), "--size of at most 9x24")
