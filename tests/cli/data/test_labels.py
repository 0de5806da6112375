"""`synth2real check` on folders of other programs: their labels are checked before anything is loaded for a task."""

import json
import shutil

from foreign import ONE, coco, solo
from synth2real.cli.data import check

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
