import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from helpers import below, contents, killed_at
from synth2real.data.labels import Boxes
from synth2real.simulate import Digits, Eyes, Nuclei, render
from synth2real.simulate.objects import annotations_of, instances_of, run_lengths

NUCLEI = Nuclei(size=(40, 56), ranges={"crowding": (0, 0.4), "field": 90})


def decoded(segmentation):
    """The mask (H, W) bool of an uncompressed RLE of COCO, as its definition says."""
    height, width = segmentation["size"]
    counts = segmentation["counts"]
    assert sum(counts) == height * width
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T


def test_visible_objects_are_numbered_in_each_image_and_boxed():
    owner = torch.full((3, 4, 5), -1)
    owner[0, 1:3, 2] = 1  # object 0 of image 0 is hidden
    owner[0, 3, 4] = 2
    owner[2, 0, 0], owner[2, 3, 3] = 3, 3
    instances, boxes = instances_of(owner, torch.tensor([0, 0, 0, 2, 2]), torch.tensor([0, 1, 2, 3, 4]))
    assert instances.dtype == torch.int32
    assert instances[0].tolist() == [[0] * 5, [0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 2]]
    assert not instances[1].any()
    assert instances[2].sum() == 2
    assert boxes.corners.tolist() == [[2, 1, 3, 3], [4, 3, 5, 4], [0, 0, 4, 4]]
    assert (boxes.classes.tolist(), boxes.offsets.tolist()) == ([1, 2, 3], [0, 2, 2, 3])


def test_without_objects_there_are_no_boxes():
    none = torch.tensor([], dtype=torch.int64)
    instances, boxes = instances_of(torch.full((2, 4, 4), -1), none, none)
    assert not instances.any()
    assert (boxes.counts.tolist(), boxes.corners.shape) == ([0, 0], (0, 4))
    assert run_lengths(instances[0].numpy()) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1, 0], [0, 0]], [[0, 1, 3]]),
        ([[0, 0], [0, 1]], [[3, 1]]),
        ([[1, 1], [1, 1]], [[0, 4]]),
        ([[1, 2], [2, 1]], [[0, 1, 2, 1], [1, 2, 1]]),
        ([[0, 2, 1], [0, 2, 0]], [[4, 1, 1], [2, 2, 2]]),
    ],
)
def test_runs_go_down_the_columns_and_begin_outside(rows, expected):
    assert run_lengths(np.array(rows, dtype=np.int32)) == expected


def test_annotations_hold_what_the_instances_show():
    seen = NUCLEI.sample(6, 2)
    for i in range(6):
        boxes = seen.boxes[torch.tensor([i])]
        found = annotations_of(seen.instances[i].numpy(), boxes)
        assert len(found) == len(boxes.corners)
        for j, one in enumerate(found):
            mask = seen.instances[i].numpy() == j + 1
            assert np.array_equal(decoded(one["segmentation"]), mask)
            assert one["area"] == mask.sum()
            left, top, right, bottom = boxes.corners[j].tolist()
            assert one["bbox"] == [left, top, right - left, bottom - top]


def test_classes_of_several_kinds_are_categories():
    boxes = Boxes(torch.tensor([[0.0, 0, 1, 1], [1, 0, 2, 1]]), torch.tensor([2, 0]), torch.tensor([0, 2]))
    found = annotations_of(np.array([[1, 2]], dtype=np.int32), boxes)
    assert [one["category_id"] for one in found] == [3, 1]


def test_without_instances_annotations_hold_the_boxes_alone():
    corners, ignored = torch.tensor([[1.0, 2, 4, 8], [0, 0, 1, 1]]), torch.tensor([False, True])
    found = annotations_of(None, Boxes(corners, torch.tensor([1, 0]), torch.tensor([0, 2]), ignored))
    assert found[0] == {"category_id": 2, "bbox": [1, 2, 3, 6], "area": 18, "iscrowd": 0}
    assert [one["iscrowd"] for one in found] == [0, 1]


def test_boxes_of_visible_objects_may_be_given():
    owner = torch.full((1, 3, 3), -1)
    owner[0, 1, 1] = 1
    corners = torch.tensor([[0.0, 0, 1, 1], [0, 0, 3, 3]])
    instances, boxes = instances_of(owner, torch.tensor([0, 0]), torch.tensor([0, 1]), corners)
    assert instances.sum() == 1
    assert (boxes.corners.tolist(), boxes.classes.tolist()) == ([[0, 0, 3, 3]], [1])


def test_a_folder_holds_masks_and_the_annotations_of_coco(tmp_path):
    render(NUCLEI, 9, tmp_path / "out", seed=2)
    seen = NUCLEI.sample(9, 2)
    written = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert written["categories"] == [{"id": 1, "name": "nucleus"}]
    assert [one["file_name"] for one in written["images"]] == [f"{i:06d}.png" for i in range(9)]
    assert all((one["width"], one["height"]) == (56, 40) for one in written["images"])
    assert [one["id"] for one in written["annotations"]] == list(range(1, len(seen.boxes.corners) + 1))
    for i in range(9):
        mine = [one for one in written["annotations"] if one["image_id"] == written["images"][i]["id"]]
        again = np.zeros((40, 56), dtype=np.int32)
        for j, one in enumerate(mine, start=1):
            again[decoded(one["segmentation"])] = j
        assert np.array_equal(again, seen.instances[i].numpy())
        mask = Image.open(tmp_path / "out" / f"{i:06d}_mask.png")
        assert mask.mode == "P"
        assert np.array_equal(np.array(mask), again > 0)
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert [row["count"] for row in rows] == seen.labels["count"][:, 0].tolist()
    assert yaml.safe_load((tmp_path / "out" / "classes.yaml").read_text()) == {
        0: "background",
        1: "nucleus",
        "ignore": [255],
    }
    assert {path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".png"} == {
        *("annotations.json", "classes.yaml", "metadata.jsonl", "parameters.yaml")
    }


def test_other_simulators_write_no_annotations(tmp_path):
    render(Eyes(size=(16, 20)), 3, tmp_path, seed=0, masks=True)
    assert not (tmp_path / "annotations.json").exists()


def test_annotations_of_an_earlier_output_are_replaced(tmp_path):
    render(NUCLEI, 3, tmp_path, seed=0)
    render(Digits(), 3, tmp_path, seed=0, overwrite=True)
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".jsonl", ".yaml"}
    assert not {"annotations.json", "classes.yaml"} & {path.name for path in tmp_path.iterdir()}
    assert len(list(tmp_path.glob("*.png"))) == 3


@pytest.mark.parametrize("after", [4, 7, 30, 61])
def test_an_interrupted_render_goes_on_with_the_same_annotations(tmp_path, monkeypatch, after):
    render(NUCLEI, 30, tmp_path / "whole", seed=3)
    with killed_at(monkeypatch, "replace", after):
        render(NUCLEI, 30, tmp_path / "out", seed=3)
    assert "annotations.json" not in below(tmp_path / "out")
    render(NUCLEI, 30, tmp_path / "out", seed=3, resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["torn", "shorter", "longer", "missing"])
def test_annotations_that_a_killed_process_left_are_mended(tmp_path, monkeypatch, damage):
    render(NUCLEI, 12, tmp_path / "whole", seed=3)
    with killed_at(monkeypatch, "replace", 16):
        render(NUCLEI, 12, tmp_path / "out", seed=3)
    lines = tmp_path / "out" / "annotations.jsonl"
    text = lines.read_text()
    if damage == "missing":
        lines.unlink()
    else:
        kept = {"torn": text[:-20], "shorter": text[: text.index("\n") + 1], "longer": text + "[]\n"}
        lines.write_text(kept[damage])
    render(NUCLEI, 12, tmp_path / "out", seed=3, resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
