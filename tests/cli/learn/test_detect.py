"""A detector by the command line: from boxes of a folder or a simulator to a run."""

import json

import pytest
from tests.skips import optional

from boxed import coco, images, yolo
from helpers import refused

optional("faster_coco_eval", "detection")


@pytest.fixture
def photos(tmp_path):
    images(tmp_path / "photos")
    return tmp_path / "photos"


def test_a_folder_is_learnt_and_its_run_scored(synth2real, tmp_path, photos):
    data, run = yolo(tmp_path / "data"), tmp_path / "run"
    how = ("--task", "detect", "--size", 16, "--resize", "letterbox", "--steps", 2)
    code, _, err = synth2real("train", data, "--target", photos, *how, "--out", run)
    assert code == 0, err
    assert "YOLO folder with data.yaml, 3 images, classes car, dog" in err
    code, out, err = synth2real("evaluate", run, "--on", coco(tmp_path / "test"), "--json")
    assert code == 0, err
    assert 0 <= json.loads(out.splitlines()[-1])["ap50"] <= 1


def test_one_class_of_a_simulator_is_learnt(synth2real, tmp_path, photos):
    how = ("--task", "detect", "--label", "WBC", "--size", 16, "--steps", 2, "--n", 20)
    code, _, err = synth2real("train", "blood", "--target", photos, *how, "--out", tmp_path / "run")
    assert code == 0, err
    code, out, err = synth2real("predict", tmp_path / "run", photos, "--out", tmp_path / "out", "--json")
    assert code == 0, err
    assert list(json.loads(out.splitlines()[-1])["classes"]) == ["WBC"]


def test_a_source_without_boxes_is_refused(synth2real, tmp_path, photos):
    how = ("--target", photos, "--task", "detect", "--steps", 2, "--out", tmp_path / "run")
    refused(synth2real("train", photos, *how), "photos: found no boxes, expected COCO JSON")
    refused(synth2real("train", "digits", *how), "simulator digits has no label 'boxes'")
    empty = yolo(tmp_path / "empty")
    for text in (empty / "labels/train").iterdir():
        text.write_text("")
    refused(synth2real("train", empty, *how), "holds no box in 3 images")
    assert not (tmp_path / "run").exists()


def test_few_labels_are_refused(synth2real, tmp_path, photos):
    data = coco(tmp_path / "data")
    how = ("--target", photos, "--task", "detect", "--steps", 2, "--out", tmp_path / "run", "--few-labels", data)
    refused(synth2real("train", data, *how), "the task detect has no correction by a few labels")
