"""Segmenters on the command line: masks of `predict`, tables of `evaluate`, and what they refuse."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from helpers import below, contents, picture, refused, save
from synth2real import load
from synth2real.cli.use.predicted_masks import CHUNK
from synth2real.data.reading.pixels import Conversion
from synth2real.storage import read_record, record_file
from synth2real.tasks import Segmentation
from synth2real.training.model import Model

CLASSES = ("background", "cell")


def segmenter(folder: Path, resize: str = "letterbox") -> Path:
    """A run folder of a segmenter that says that bright pixels are cells."""
    model = Model(Segmentation(CLASSES, (24, 24)), (1, 24, 24)).eval()
    model.conversion = Conversion((24, 24), 1, resize=resize)  # type: ignore[arg-type]
    model.save(folder)
    (folder / "settings.yaml").write_text(yaml.safe_dump({"label": ["cell"]}))
    return folder


@pytest.fixture
def run(tmp_path):
    torch.manual_seed(0)
    return segmenter(tmp_path / "run")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for i in range(3):
        size = (20, 30 + i)
        save(folder / f"images/a/{i}.jpg", picture(i, size))
        mask = np.zeros(size, np.uint8)
        mask[4:12, 5:15] = 255
        save(folder / f"masks/a/{i}.png", mask)
    return folder


def test_masks_have_the_names_and_sizes_of_the_images_and_can_be_loaded(synth2real, tmp_path, run, data):
    out = tmp_path / "out"
    code, stdout, err = synth2real("predict", run, data / "images", "--out", out, "--json")
    assert code == 0, err
    assert below(out) == ["a/0.png", "a/1.png", "a/2.png", "classes.yaml", "provenance.json"]
    assert Image.open(out / "a/2.png").size == (32, 20)
    assert Image.open(out / "a/2.png").mode == "P"
    found = json.loads(stdout.splitlines()[-1])
    assert found["count"] == 3
    assert sum(found["shares"].values()) == pytest.approx(1)
    (out / "a").rename(data / "masks/b")
    (data / "images/a").rename(data / "images/b")
    (out / "classes.yaml").rename(data / "masks/classes.yaml")
    for old in (data / "masks/a").iterdir():
        old.unlink()
    assert load(data, label="mask", size=(24, 24)).classes == CLASSES


@pytest.mark.parametrize("resize", ["letterbox", "crop"])
def test_two_processes_write_the_masks_of_one(synth2real, tmp_path, resize):
    run, photos = segmenter(tmp_path / "run", resize), tmp_path / "photos"
    for i in range(CHUNK + 3):
        save(photos / f"{i % 2}/{i}.png", picture(i, (9 + i % 5, 12)))
    found = {}
    for name, more in (("one", ()), ("two", ("--jobs", 2))):
        code, out, err = synth2real("predict", run, photos, "--out", tmp_path / name, "--json", *more)
        assert code == 0, err
        record_file(tmp_path / name).unlink()
        found[name] = json.loads(out.splitlines()[-1])["shares"], contents(tmp_path / name)
    assert found["one"] == found["two"]
    assert len(found["one"][1]) == CHUNK + 4


def test_a_mask_that_a_process_cannot_write_leaves_nothing(synth2real, tmp_path, run, data):
    (data / "images/a.jpg").write_bytes((data / "images/a/0.jpg").read_bytes())
    (data / "images/a").rename(data / "images/a.png")  # a folder in the place of a mask
    out = tmp_path / "out"
    code, _, err = synth2real("predict", run, data / "images", "--out", out, "--jobs", 2)
    assert code == 2, err
    assert "Traceback" not in err
    assert not [path for path in tmp_path.iterdir() if path.name.endswith("out")]


def test_masks_are_traced_to_the_run_and_replaced_with_their_record(synth2real, tmp_path, run, data):
    for more in ((), ("--overwrite",)):
        code, _, err = synth2real("predict", run, data / "images", "--out", tmp_path / "out", *more)
        assert code == 0, err
    record = read_record(tmp_path / "out")
    assert record is not None
    assert (record.command, record.out) == ("predict", str(tmp_path / "out"))
    assert [one.role for one in record.inputs] == ["run", "images"]
    code, printed, err = synth2real("trace", tmp_path / "out")
    assert code == 0, err
    assert "by predict" in printed


def test_masks_beside_the_images_are_not_predicted(synth2real, tmp_path, run, data):
    code, _, err = synth2real("predict", run, data, "--out", tmp_path / "out")
    assert code == 0, err
    assert "predicted 3 masks" in err


def test_a_folder_that_predict_has_not_written_is_never_replaced(synth2real, tmp_path, run, data):
    out = tmp_path / "out"
    assert synth2real("predict", run, data, "--out", out)[0] == 0
    refused(synth2real("predict", run, data, "--out", out), out, "the folder is not empty", "--overwrite")
    assert synth2real("predict", run, data, "--out", out, "--overwrite")[0] == 0
    (out / "notes.txt").write_text("mine")
    refused(synth2real("predict", run, data, "--out", out, "--overwrite"), "notes.txt", "replaces only an earlier")
    refused(synth2real("predict", run, data, "--out", data, "--overwrite"), "replaces only an earlier output")
    refused(synth2real("predict", run, data, "--out", tmp_path / "masks.csv"), "expected the name of a folder")
    refused(synth2real("predict", run, data, "--out", tmp_path / "p", "--probabilities"), "predicts masks")


def test_cropped_margins_are_unknown_and_that_is_said(synth2real, tmp_path, data):
    run, out = segmenter(tmp_path / "crop", "crop"), tmp_path / "out"
    code, _, err = synth2real("predict", run, data, "--out", out)
    assert code == 0, err
    assert "of the pixels were cut off when the images were cropped on load, and are 255" in err
    assert (np.asarray(Image.open(out / "images/a/0.png"))[:, 0] == 255).all()


def test_nothing_is_left_of_masks_that_could_not_be_written(synth2real, tmp_path, run, data, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    out = tmp_path / "new" / "out"
    code, _, err = synth2real("predict", run, data, "--out", out)
    assert code != 0
    assert "no space left on device" in err
    assert not out.exists()


def test_evaluate_prints_and_returns_the_metrics(synth2real, run, data):
    code, out, err = synth2real("evaluate", run, "--on", data)
    assert code == 0, err
    assert "255 is cell" in err  # black and white masks are of the classes of the run
    assert [line.split(":")[0] for line in out.splitlines()[:3]] == ["mean_iou", "image_iou", "pixel_accuracy"]
    assert "cell" in out
    found = json.loads(synth2real("evaluate", run, "--on", data, "--json")[1].splitlines()[-1])
    assert set(found["iou_of"]) == set(CLASSES)
    assert 0 <= found["mean_iou"] <= 1


def test_evaluate_refuses_a_class_that_the_run_does_not_know(synth2real, run, data):
    (data / "classes.yaml").write_text("{0: background, 255: stone}")
    refused(synth2real("evaluate", run, "--on", data), "has no region 'cell', expected some of: background, stone")
    (run / "settings.yaml").write_text("{}")
    refused(synth2real("evaluate", run, "--on", data), "the class 'stone', which is not among the classes of the model")


def test_few_labels_are_refused(synth2real, tmp_path, run, data):
    refused(
        synth2real("predict", run, data, "--few-labels", data, "--out", tmp_path / "o"), "few labels do not correct"
    )


def test_a_segmenter_is_no_source_free_classifier(synth2real, tmp_path, run, data):
    for method in ("shot", "tent"):
        code, _, err = synth2real("adapt", run, "--target", data, "--method", method, "--out", tmp_path / "adapted")
        assert code == 2, err
        assert "Traceback" not in err
