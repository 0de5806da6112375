"""`synth2real convert`: from any format to another, whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from foreign import ONE, coco, solo
from helpers import below, dots, picture, refused, save
from skips import optional
from synth2real import load
from synth2real.data.formats import find_format

SINGLE = (ONE, {"person": (2, 3, 6, 12)})


def test_a_set_is_converted_and_the_source_is_named(synth2real, tmp_path):
    code, out, err = synth2real("convert", solo(tmp_path / "in", SINGLE), tmp_path / "out", "--to", "coco", "--json")
    assert code == 0, err
    assert "in: Unity Perception SOLO, 2 images, classes car, person, points middle, top_left" in err
    found = json.loads(out)
    assert (found["format"], found["to"], found["images"], found["instances"]) == ("solo", "coco", 2, 2)
    assert found["classes"] == ["car", "person"]
    assert found["lost"] == []
    assert [one.name for one in find_format("coco").read(tmp_path / "out")] == [
        f"images/sequence.{i}/step0.camera.png" for i in range(2)
    ]
    assert torch.equal(load(tmp_path / "out").labels, load(tmp_path / "in").labels)
    copied = tmp_path / "out" / "images" / "sequence.0" / "step0.camera.png"
    assert copied.read_bytes() == (tmp_path / "in" / "sequence.0" / "step0.camera.png").read_bytes()


def test_what_cannot_be_held_is_said_by_name_with_its_count(synth2real, tmp_path):
    code, out, err = synth2real("convert", dots(tmp_path / "in", 5), tmp_path / "out", "--to", "yolo", "--json")
    assert code == 0, err
    assert json.loads(out)["lost"] == ["5 values of 'x'", "5 values of 'y'"]
    assert "warning: not written, as YOLO folder cannot hold it: 5 values of 'x'" in err


@pytest.mark.parametrize("to", ["coco", "imagefolder"])
def test_what_render_writes_survives_with_its_labels(synth2real, tmp_path, to):
    rendered = tmp_path / "rendered"
    assert synth2real("render", "eyes", "--n", "3", "--out", rendered, "--masks")[0] == 0
    code, _, err = synth2real("convert", rendered, tmp_path / "out", "--to", to)
    assert code == 0, err
    columns = ["pitch", "yaw", "iris_x", "iris_y"]
    before, after = load(rendered, columns), load(tmp_path / "out", columns)
    assert torch.allclose(before.labels, after.labels)
    assert torch.equal(before.inputs[torch.arange(3)], after.inputs[torch.arange(3)])
    masks = [path for path in below(tmp_path / "out") if "mask" in path]
    assert len([path for path in masks if path.endswith(".png")]) == 3


def test_instances_are_cut_out_so_that_a_task_takes_them(synth2real, tmp_path):
    folder = coco(tmp_path / "in")
    code, _, err = synth2real("convert", folder, tmp_path / "out", "--to", "imagefolder", "--crop-instances")
    assert code == 0, err
    data = load(tmp_path / "out", size=(8, 8))
    assert [data.classes[i] for i in data.labels] == ["car", "person", "car"]
    whole = np.asarray(Image.open(folder / "images" / "0.png"))
    assert (np.asarray(Image.open(tmp_path / "out" / "0_0.png")) == whole[6:14, 4:14]).all()


def test_a_dry_run_writes_nothing(synth2real, tmp_path):
    code, out, err = synth2real("convert", dots(tmp_path / "in", 5), tmp_path / "out", "--to", "yolo", "--dry-run")
    assert code == 0, err
    assert "images of this library or plain ones, 5 images, columns x, y" in out
    assert "YOLO folder cannot hold: 5 values of 'x'" in out
    assert not (tmp_path / "out").exists()


def test_an_earlier_output_is_replaced_and_nothing_else(synth2real, tmp_path):
    folder, out = coco(tmp_path / "in"), tmp_path / "out"
    assert synth2real("convert", folder, out, "--to", "yolo")[0] == 0
    code, _, err = synth2real("convert", folder, out, "--to", "coco")
    assert code == 2
    assert "the folder is not empty" in err
    code, _, err = synth2real("convert", folder, out, "--to", "coco", "--overwrite")
    assert code == 0, err
    assert below(out) == ["annotations.json", "config.yaml", "images/0.png", "images/1.png", "provenance.json"]
    other = dots(tmp_path / "other", 2)
    code, _, err = synth2real("convert", folder, other, "--to", "coco", "--overwrite")
    assert code == 2
    assert "holds files that `convert` did not write" in err


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_torn_image_leaves_nothing_or_the_earlier_output(synth2real, tmp_path, overwrite):
    folder, out = coco(tmp_path / "in"), tmp_path / "out"
    if overwrite:
        assert synth2real("convert", folder, out, "--to", "coco")[0] == 0
    before = below(out) if overwrite else []
    (folder / "images" / "1.png").write_bytes(b"no image")
    given = ["--overwrite"] if overwrite else []
    code, _, err = synth2real("convert", folder, out, "--to", "imagefolder", "--crop-instances", *given)
    assert code == 2
    assert "1.png" in err
    assert (below(out) if out.exists() else []) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "out", "--to", "voc"], "--to 'voc' is unknown, expected one of: coco, yolo, imagefolder"),
        (["nothing", "out", "--to", "coco"], "nothing: no such folder or file"),
        (["in", "in/out", "--to", "coco"], "lies in in or holds it, expected another folder"),
        (["in/images", "in", "--to", "coco"], "lies in in/images or holds it"),
        (["in", "in/annotations.json", "--to", "coco"], "is a file, expected a folder"),
        (["in", "out", "--to", "coco", "--format", "x"], "--format 'x' is unknown"),
        (["in", "out", "--to", "coco", "--format", "labelme"], "is read as LabelMe JSON, which holds no image"),
        (["empty", "out", "--to", "coco"], "found no image"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(synth2real, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    coco(Path("in"))
    Path("empty").mkdir()
    code, _, err = synth2real("convert", *arguments)
    assert code == 2
    assert message in err
    assert not Path("out").exists()


def test_a_table_and_shards_are_written(synth2real, tmp_path):
    optional("pyarrow", "parquet")
    folder = coco(tmp_path / "in")
    for to in ("parquet", "webdataset"):
        code, _, err = synth2real("convert", folder, tmp_path / to, "--to", to)
        assert code == 0, err
    assert below(tmp_path / "parquet") == ["000000.parquet", "config.yaml", "provenance.json"]
    assert below(tmp_path / "webdataset") == ["000000.tar", "config.yaml", "provenance.json"]


def test_commands_take_the_format_of_the_source(synth2real, tmp_path, photos):
    folder = coco(tmp_path / "in", SINGLE)
    (folder / "data.yaml").write_text("names: [car]\ntrain: images\n")
    arguments = ["train", folder, "--target", photos, "--size", "16", "--channels", "1", "--dry-run"]
    code, _, err = synth2real(*arguments, "--out", tmp_path / "run")
    assert code == 2
    assert "is of several formats: coco (COCO JSON) and yolo (YOLO folder with data.yaml)" in err
    code, _, err = synth2real(*arguments, "--out", tmp_path / "run", "--format", "coco")
    assert code == 0, err
    assert "in: COCO JSON, 2 images, classes car, person" in err


@pytest.mark.parametrize("more", [("coco",), ("yolo",), ("imagefolder", "--crop-instances")])
def test_labels_of_another_size_than_the_image_are_not_converted(synth2real, tmp_path, more):
    folder = coco(tmp_path / "set")
    for image in (folder / "images").iterdir():
        save(image, picture(0, (10, 15)))
    result = synth2real("convert", folder, tmp_path / "out", "--to", *more)
    refused(result, "is 10 x 15 pixels, but", "describes it as 24 x 32", "so that its labels would lie wrong")
    assert not (tmp_path / "out").exists()
