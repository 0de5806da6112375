"""`synth2real check` on folders of other programs: their labels are checked before anything is loaded for a task."""

import json
import shutil

from foreign import ONE, coco, solo
from synth2real.cli.data import check
from synth2real.simulate import Blood, render

SINGLE = (ONE, {"person": (2, 3, 6, 12)})


def edited(folder, **changes):
    """A folder of COCO whose annotations have these entries instead."""
    file = folder / "annotations.json"
    content = json.loads(file.read_text())
    content["annotations"] = [one | changes for one in content["annotations"]]
    file.write_text(json.dumps(content))
    return folder


def test_a_set_with_several_instances_is_checked_although_no_task_takes_it(synth2real, tmp_path, photos):
    folder = edited(coco(tmp_path / "set"), bbox=[40, 2, 8, 8])
    code, out, err = synth2real("check", folder, "--target", photos, "--json")
    assert code == 0, err
    assert "warning: source: 3 boxes lie outside the image or reach beyond it" in err
    assert "no task of one label an image takes the source" in err
    (outside, *_) = json.loads(out)["labels"]["source"]
    assert (outside["kind"], outside["count"], outside["first"]) == (
        "box outside the image",
        3,
        ["images/0.png", "images/1.png"],
    )


def test_shared_images_and_faults_stand_beside_the_other_findings(synth2real, tmp_path, monkeypatch):
    monkeypatch.setattr(check, "expected_minutes", lambda *_: {})
    folder = solo(tmp_path / "set", SINGLE)
    target = tmp_path / "photos"
    target.mkdir()
    for i in range(3):
        shutil.copy(folder / "sequence.0" / "step0.camera.png", target / f"{i}.png")
    code, out, err = synth2real("check", folder, "--target", target, "--test", folder, "--json")
    assert code == 0, err
    assert "set: Unity Perception SOLO, 2 images, classes car, person, points middle, top_left" in err
    found = json.loads(out)
    assert found["labels"] == {"source": [], "test": []}
    assert found["shared"]["source and target"]["count"] == 1
    assert found["shared"]["source and test"]["count"] == 2
    assert "1 images of source are in target, too, byte for byte (sequence.0/step0.camera.png and 2.png)" in err


def test_labels_of_the_target_are_not_read(synth2real, tmp_path, monkeypatch):
    monkeypatch.setattr(check, "expected_minutes", lambda *_: {})
    target = coco(tmp_path / "target")
    (target / "annotations.json").write_text('{"images": [], "annotations": [], torn')
    code, _, err = synth2real("check", coco(tmp_path / "set", SINGLE), "--target", target)
    assert code == 0, err


def test_boxes_of_a_set_are_counted_and_their_faults_found(synth2real, tmp_path, monkeypatch):
    monkeypatch.setattr(check, "expected_minutes", lambda *_: {})
    folder, target = edited(coco(tmp_path / "set"), bbox=[2, 2, 1, 8]), tmp_path / "photos"
    target.mkdir()
    shutil.copy(folder / "images" / "0.png", target)
    code, out, err = synth2real("check", folder, "--target", target, "--task", "detect", "--test", folder, "--json")
    assert code == 0, err
    assert "warning: source: 3 boxes have a side of less than 2 pixels" in err
    assert "warning: source: the class 'person' has 1 boxes, expected 50 or more" in err
    found = json.loads(out)
    assert found["domains"]["test"]["boxes"]["car"]["boxes"] == 2
    assert found["labels"]["test"][0]["kind"] == "tiny box"
    assert (
        "boxes: car 2, person 1, 1.5 in an image, 0 images without"
        in synth2real("check", folder, "--target", target, "--task", "detect")[1]
    )


def test_boxes_of_a_rendered_folder_are_those_of_its_annotations(synth2real, tmp_path, monkeypatch):
    monkeypatch.setattr(check, "expected_minutes", lambda *_: {})
    render(Blood(size=(24, 32)), 4, tmp_path / "set", 0)
    content = json.loads((tmp_path / "set/annotations.json").read_text())
    content["annotations"].append(content["annotations"][0] | {"id": 10_000})
    (tmp_path / "set/annotations.json").write_text(json.dumps(content))
    code, _, err = synth2real("check", tmp_path / "set", "--target", tmp_path / "set", "--task", "detect")
    assert code == 0, err
    assert "1 boxes are there twice, with one category" in err
