"""Detectors on the command line: what `predict` and `evaluate` write, and what they refuse."""

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml
from tests.skips import optional

from boxed import coco, images, yolo
from helpers import below, picture, refused, save
from synth2real.cli.use.predicted_boxes import ids_of, rows
from synth2real.data.labels import Boxes
from synth2real.data.reading.pixels import Conversion
from synth2real.tasks import Detection
from synth2real.training.model import Model

optional("faster_coco_eval", "detection")

BOXES = Boxes.of([torch.tensor([[1.0, 2, 3.25, 4]]), torch.zeros(0, 4)], [torch.tensor([1]), torch.zeros(0)])


@pytest.fixture
def run(tmp_path):
    """A run folder of a detector that has learnt nothing, of images with padding."""
    torch.manual_seed(0)
    model = Model(Detection(("car", "dog"), (24, 24), 4.0), (1, 24, 24)).eval()
    model.conversion = Conversion((24, 24), 1, resize="letterbox")
    model.save(tmp_path / "run")
    (tmp_path / "run/settings.yaml").write_text(yaml.safe_dump({"label": None}))
    return tmp_path / "run"


def table_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_predict_writes_a_table_and_coco_results_in_pixels_of_the_images(synth2real, tmp_path, run):
    coco(tmp_path / "set")
    save(tmp_path / "set/images/b.png", picture(1, (40, 60)))
    code, out, err = synth2real("predict", run, tmp_path / "set", "--out", tmp_path / "out", "--json")
    assert code == 0, err
    files = ["predictions.csv", "predictions.json"]
    assert below(tmp_path / "out") == sorted([*files, *(f"{file}.provenance.json" for file in files)])
    found = table_of(tmp_path / "out/predictions.csv")
    assert list(found[0]) == ["file_name", "x0", "y0", "x1", "y1", "label", "confidence"]
    for row in found:
        height, width = (40, 60) if row["file_name"] == "images/b.png" else (20, 30)
        assert 0 <= float(row["x0"]) <= float(row["x1"]) <= width
        assert 0 <= float(row["y0"]) <= float(row["y1"]) <= height
    results = json.loads((tmp_path / "out/predictions.json").read_text())
    assert {one["image_id"] for one in results} <= {0, 10, 20}
    assert {one["category_id"] for one in results} <= {7, 90}
    said = json.loads(out.splitlines()[-1])
    assert said["count"] == 3
    assert said["boxes"] == len(found) == len(results)
    assert said["without"] == 3  # nothing is certain
    for file in files:
        assert "by predict" in synth2real("trace", tmp_path / "out" / file)[1]
    assert "3 images without such a box" in err
    assert "those of annotations.json" in err


def test_plain_images_are_numbered(synth2real, tmp_path, run):
    images(tmp_path / "photos")
    code, _, err = synth2real("predict", run, tmp_path / "photos", "--out", tmp_path / "boxes.csv")
    assert code == 0, err
    results = json.loads((tmp_path / "boxes.json").read_text())
    assert {one["image_id"] for one in results} == {1, 2, 3}
    assert "numbers from 1, in order" in err
    assert synth2real("predict", run, tmp_path / "photos/a.png", "--out", tmp_path / "one.csv")[0] == 0


@pytest.mark.slow
def test_two_processes_write_the_same_files(synth2real, tmp_path, run):
    images(tmp_path / "photos")
    for name, options in (("one", ()), ("two", ("--jobs", 2))):
        assert synth2real("predict", run, tmp_path / "photos", "--out", tmp_path / name, *options)[0] == 0
    assert (tmp_path / "one/predictions.csv").read_bytes() == (tmp_path / "two/predictions.csv").read_bytes()


def test_ids_of_coco_are_taken_only_if_all_images_and_classes_are_there(tmp_path):
    coco(tmp_path)
    assert ids_of(tmp_path, ("images/b.png",), ("dog",)).images == [10]
    assert ids_of(tmp_path, ("images/b.png",), ("dog",)).classes == [7]
    assert ids_of(tmp_path, ("images/z.png",), ("dog",)).images == [1]
    assert ids_of(tmp_path, ("images/b.png",), ("cow",)).classes == [1]
    assert ids_of(tmp_path / "annotations.json", ("images/c.png",), ("car",)).images == [20]
    (tmp_path / "annotations.json").write_text('{"images": [1], "annotations": []}')
    assert ids_of(tmp_path, ("images/b.png",), ("dog",)).images == [1]


def test_formulas_are_text_and_images_without_boxes_have_no_row():
    found = list(rows(BOXES, ("=cmd.png", "b.png"), ("a", "@b")))[1:]
    assert found == [["'=cmd.png", "1.00", "2.00", "3.25", "4.00", "'@b", "1.000000"]]


def test_what_is_there_is_not_replaced_and_other_options_are_refused(synth2real, tmp_path, run):
    images(tmp_path / "photos")
    out = tmp_path / "out"
    out.mkdir()
    (out / "predictions.json").write_text("[]")
    refused(synth2real("predict", run, tmp_path / "photos", "--out", out), "predictions.json: the file exists")
    assert below(out) == ["predictions.json"]
    assert synth2real("predict", run, tmp_path / "photos", "--out", out, "--overwrite")[0] == 0
    (tmp_path / "boxes.txt").write_text("")
    refused(synth2real("predict", run, tmp_path / "photos", "--out", tmp_path / "boxes.txt"), "is a file, expected a")
    for options in (("--probabilities",), ("--few-labels", out), ("--group", "x")):
        refused(synth2real("predict", run, tmp_path / "photos", "--out", tmp_path / "o", *options), "predicts boxes")


def test_evaluate_prints_ap_of_each_class_and_recall_by_size(synth2real, tmp_path, run):
    for folder in (coco(tmp_path / "coco"), yolo(tmp_path / "yolo")):
        code, out, err = synth2real("evaluate", run, "--on", folder, "--json")
        assert code == 0, err
        found = json.loads(out.splitlines()[-1])
        assert set(found["ap50_of"]) == {"car", "dog"}
        assert set(found["recall_of_size"]) == {"small", "medium", "large"}
        assert {"ap50", "ap75", "map", "recall", "count"} <= set(found)
    out = synth2real("evaluate", run, "--on", tmp_path / "coco")[1]
    assert out.startswith("ap50: ")
    assert "AP50" in out
    assert synth2real("evaluate", run, "--on", tmp_path / "coco", "--label", "dog")[0] == 0


def test_evaluate_refuses_data_without_boxes_and_unknown_classes(synth2real, tmp_path, run):
    images(tmp_path / "photos")
    refused(synth2real("evaluate", run, "--on", tmp_path / "photos"), "photos: found no boxes, expected COCO JSON")
    yolo(tmp_path / "yolo", names=["car", "cow"])
    refused(synth2real("evaluate", run, "--on", tmp_path / "yolo"), "the class 'cow', which is not among the classes")
    refused(synth2real("evaluate", run, "--on", tmp_path / "yolo", "--label", "cat"), "no box of the class 'cat'")
