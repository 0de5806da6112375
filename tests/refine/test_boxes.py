"""Refined images keep their boxes: of COCO, YOLO, a simulator and `.npz`; and a judge of boxes finds what has moved."""

import numpy as np
import pytest
import torch

from boxed import OBJECTS, arrays, coco, yolo
from helpers import below, picture, save
from synth2real import load
from synth2real.data.boxes.arrays import rows_of
from synth2real.data.labels import Boxes
from synth2real.refine.displacement import displaced, measure_of
from synth2real.refine.files import copy_annotations
from synth2real.tasks import Detection
from synth2real.training.model import Model


@pytest.fixture
def photos(tmp_path):
    for i in range(3):
        save(tmp_path / f"photos/{i}.png", picture(9 + i, (20, 30), level=90))
    return tmp_path / "photos"


@pytest.mark.parametrize("write", [coco, yolo])
def test_the_boxes_of_a_refined_folder_are_those_of_its_source(synth2real, tmp_path, photos, write):
    source, out = write(tmp_path / "source"), tmp_path / "out"
    code, _, err = synth2real("refine", source, "--target", photos, "--method", "histogram", "--out", out)
    assert code == 0, err
    assert "labels are not copied" not in err
    before, after = load(source, label="boxes"), load(out, label="boxes")
    assert torch.equal(before.labels.corners, after.labels.corners)
    assert (before.names, before.classes) == (after.names, after.classes)
    assert not torch.equal(before.inputs, after.inputs)


@pytest.mark.parametrize("write", [coco, yolo])
def test_images_that_are_left_out_have_no_boxes(tmp_path, write):
    source, out = write(tmp_path / "source"), tmp_path / "out"
    kept = [file for file in source.rglob("*.png") if file.stem != "b"]
    for file in kept:
        save(out / file.relative_to(source), picture(0, (20, 30)))
    copy_annotations(source, out, kept)
    data = load(out, label="boxes")
    assert data.labels.counts.tolist() == [2, 0]
    assert not any(name.endswith("b.txt") for name in below(out))


def test_a_part_of_a_set_of_yolo_has_its_labels_above_it_and_they_are_not_copied(tmp_path):
    source, out = yolo(tmp_path / "source") / "images/train", tmp_path / "out"
    out.mkdir()
    copy_annotations(source, out, list(source.iterdir()))
    assert below(out) == []


def test_a_rendered_folder_is_refined_with_its_boxes(synth2real, tmp_path, photos):
    out = tmp_path / "out"
    how = ("--n", 3, "--target", photos, "--size", "16x24", "--channels", 3, "--method", "histogram", "--out", out)
    code, _, err = synth2real("refine", "blood", *how)
    assert code == 0, err
    assert len(load(out, label="boxes")) == 3


def test_rows_of_boxes_follow_their_images(tmp_path):
    with np.load(arrays(tmp_path)) as found:
        kept = rows_of(dict(found), np.array([1, 2]), 3)
    assert kept["box_image"].tolist() == [0]
    assert kept["boxes"].tolist() == [list(OBJECTS["b"][0][1])]
    assert len(kept["images"]) == 2
    assert kept["classes"].tolist() == ["car", "dog"]


def test_a_judge_of_boxes_finds_what_has_moved(monkeypatch):
    judge = Model(Detection(("car",), (24, 24), 4.0), (1, 24, 24)).eval()
    x = (255 * torch.rand(4, 1, 24, 24, generator=torch.Generator().manual_seed(0))).byte()
    assert displaced(x, x, judge).tolist() == [0] * 4
    assert measure_of(judge) == "1 - agreement of the boxes, 0 to 1"
    one, none = torch.tensor([[2.0, 2, 9, 9]]), torch.zeros(0, 4)
    found = iter([Boxes.of([corners], [torch.zeros(len(corners))]) for corners in (one, none)])
    monkeypatch.setattr(Detection, "predict", lambda *_: next(found))
    assert displaced(x[:1], x[:1].flip(3), judge).tolist() == [1]
